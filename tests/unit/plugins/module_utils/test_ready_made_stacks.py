"""The descriptions that ship ready-made are read without a mistake, and render what the story asks for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.module_utils.stack import compose as render
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import STACK_KEYS, parse_stack

STACKS = Path(__file__).resolve().parents[4] / "playbooks" / "stacks"


def read(name: str, **changes: Any) -> dict[str, Any]:
    text = (STACKS / name).read_text(encoding="utf-8")
    variables = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "value", text))
    return {k: variables[f"stack_{k}"] for k in STACK_KEYS if f"stack_{k}" in variables} | changes


@pytest.mark.parametrize("name", sorted(p.name for p in STACKS.glob("*.yml")))
def test_it_is_read(name: str) -> None:
    stack = parse_stack(read(name))
    assert stack.pre_release is not None
    assert [s.backup for s in stack.stateful if s.backup] == ["postgres"]
    assert {r.path for r in stack.routes} >= {"/"}


def test_the_story_s_containers_by_their_fixed_names() -> None:
    stack = parse_stack(read("twenty_story.yml", strategy="recreate"))
    images = {s.name: s.image or f"sluice/{s.name}" for s in stack.services.values()}
    release = render.release_compose(stack, images, "sluice-edge", False)["services"]
    data = render.data_compose(stack, images, False)["services"]
    names = {s["container_name"]: s for s in [*release.values(), *data.values()]}
    assert set(names) == {"twenty-server", "twenty-front", "twenty-postgres", "twenty-redis"}
    assert names["twenty-postgres"]["image"] == "postgres:16.4-alpine"
    assert names["twenty-redis"]["image"] == "redis:7.4.1-alpine"
    for service in names.values():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "ports" not in service


def test_the_worker_of_the_upstream_stack_has_no_port_and_waits_for_the_server() -> None:
    stack = parse_stack(read("twenty_upstream.yml"))
    assert [(s.name, s.port, s.order) for s in stack.workers] == [("worker", None, "stop_first")]
