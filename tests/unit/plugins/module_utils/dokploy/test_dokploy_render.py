"""What a Compose project brings along reaches Dokploy, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.render import render_stack, stack_domains
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack

SERVICES: dict[str, Any] = {
    "web": {"image": "web:1", "port": 80, "health": {"none": True}, "depends_on": {"migrate": "completed"}},
    "migrate": {"image": "web:1", "role": "job"},
    "db": {
        "image": "db:1",
        "stateful": True,
        "aliases": ["shop_db"],
        "volumes": [{"source": "d", "path": "/d", "name": "old"}],
    },
}
STACK: dict[str, Any] = {
    "name": "shop",
    "domain": "shop.example.com",
    "services": SERVICES,
    "routes": [
        {"path": "/", "service": "web"},
        {"path": "/", "service": "web", "host": "admin.example.com", "port": 9000},
    ],
}


def test_jobs_conditions_names_and_volumes() -> None:
    rendered = yaml.safe_load(render_stack(parse_stack(STACK)))
    assert rendered["services"]["web"]["depends_on"] == {
        "db": {"condition": "service_started"},
        "migrate": {"condition": "service_completed_successfully"},
    }
    assert rendered["services"]["migrate"]["restart"] == "no"
    assert rendered["services"]["db"]["networks"] == {"default": {"aliases": ["shop_db"]}}
    assert rendered["volumes"] == {"d": {"name": "old"}}


def test_a_route_may_name_its_host_and_port() -> None:
    domains = stack_domains(parse_stack(STACK))
    assert [(d["host"], d["port"]) for d in domains] == [("shop.example.com", 80), ("admin.example.com", 9000)]


def test_a_wildcard_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"stack_domain_aliases: Dokploy has no wildcards such as \*\.example\.com"):
        stack_domains(parse_stack({**STACK, "domain_aliases": ["*.example.com"]}))


def test_files_have_no_place_there() -> None:
    web = {**SERVICES["web"], "files": [{"path": "/x", "content": "x"}]}
    with pytest.raises(UserError, match="on a Dokploy server there is no place"):
        render_stack(parse_stack({**STACK, "services": {**SERVICES, "web": web}}))


def test_nothing_of_the_controller_is_carried_there() -> None:
    services = {**SERVICES, "web": {**SERVICES["web"], "pull": "controller"}}
    with pytest.raises(UserError, match=r"stack_services\.web\.pull: .* push the image to a registry"):
        render_stack(parse_stack({**STACK, "services": services}))
