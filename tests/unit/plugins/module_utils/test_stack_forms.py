"""What a Compose project brings along, in the form of the description: how it is read and what is rendered."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.module_utils.stack import Stack
from ansible_collections.sluice.deploy.plugins.module_utils.stack import compose as render
from ansible_collections.sluice.deploy.plugins.module_utils.stack.order import circle, levels
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_ready_made_stacks import STACKS, read
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_stack_compose import DESCRIPTION

WEB: dict[str, Any] = {"image": "web:1", "port": 80, "health": {"none": True}}
DB: dict[str, Any] = {"image": "db:1", "stateful": True}


def stack(routes: Any = (), name: str = "shop", **services: dict[str, Any]) -> Stack:
    described = {s: {"image": f"{s}:1", **value} for s, value in services.items()}
    return parse_stack({"name": name, "domain": "shop.example.com", "services": described, "routes": list(routes)})


def text_of(of: Stack, mute: tuple[str, ...] = (), **files: Any) -> str:
    images = {s.name: s.image or f"sluice/{s.name}" for s in of.services.values()}
    release = render.release_compose(of, images, "sluice-edge", True, mute, files)
    return render.compose_text(release) + render.compose_text(render.data_compose(of, images, True, (), files))


def rendered(of: Stack, **files: Any) -> dict[str, Any]:
    """Every service as it is written, by name."""
    both: dict[str, Any] = {}
    for part in text_of(of, **files).split(render.HEADER)[1:]:
        both |= yaml.safe_load(part)["services"] or {}
    return both


@pytest.mark.skipif(not STACKS.is_dir(), reason="the ready-made stacks are not here")
def test_what_was_described_before_is_rendered_byte_for_byte_as_before() -> None:
    descriptions = [
        read("twenty_story.yml"),
        read("twenty_upstream.yml"),
        DESCRIPTION,
        read("twenty_upstream.yml", strategy="recreate"),
    ]
    texts = [text_of(parse_stack(d), ("front",)) for d in descriptions]
    digests = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts]
    assert digests == ["0f8a3d3e8570", "5f72fffbd5ff", "7646da8bf935", "89983eefb368"]


def test_runtime_reaches_compose_as_it_is() -> None:
    runtime = {
        "init": True,
        "shm_size": "268435456",
        "ulimits": {"nofile": {"soft": 1024, "hard": 4096}},
        "labels": {"a": "${X} $1"},
        "logging": {"driver": "local"},
        "security_opt": [],
        "device_requests": [{"capabilities": ["gpu"], "count": -1}],
    }
    web = rendered(stack(web={**WEB, "runtime": runtime, "limits": {"memory": "1g"}}))["web"]
    assert web["init"] is True
    assert web["ulimits"] == {"nofile": {"soft": 1024, "hard": 4096}}
    assert web["labels"] == {"a": "$${X} $$1"}
    assert web["logging"] == {"driver": "local"}
    assert "security_opt" not in web
    assert web["deploy"]["resources"] == {
        "limits": {"memory": "1g"},
        "reservations": {"devices": [{"capabilities": ["gpu"], "count": -1}]},
    }
    assert rendered(stack(web=WEB))["web"]["security_opt"] == ["no-new-privileges:true"]


def test_a_service_starts_after_what_it_depends_on() -> None:
    of = stack(
        web={**WEB, "depends_on": {"api": "healthy", "db": "healthy", "migrate": "completed"}},
        api={"role": "internal", "health": {"test": ["CMD", "true"]}, "depends_on": ["db"]},
        migrate={"role": "job", "depends_on": {"db": "healthy"}},
        mail={},
        db=DB,
    )
    assert [[s.name for s in level] for level in levels(of)] == [["api", "migrate"], ["web"], ["mail"]]
    assert [[s.name for s in level] for level in levels(of, own_word=True)] == [["api", "migrate", "mail"], ["web"]]
    services = rendered(of)
    assert services["web"]["depends_on"] == {
        "api": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }
    assert services["mail"]["depends_on"] == {"web": {"condition": "service_started"}}
    assert "depends_on" not in services["api"]
    assert services["migrate"]["restart"] == "no"


def test_what_others_depend_on_does_not_wait_for_the_web_service_that_needs_it() -> None:
    of = stack(front={**WEB, "depends_on": {"backend": "started"}}, backend={})
    assert circle(of) == []
    assert [[s.name for s in level] for level in levels(of)] == [["backend"], ["front"]]


def test_services_that_wait_for_each_other_are_named() -> None:
    with pytest.raises(Exception, match="a waits for b waits for c waits for a"):
        stack(a={**WEB, "depends_on": ["b"]}, b={"depends_on": ["c"]}, c={"depends_on": ["a"]})


def test_stateful_services_start_in_their_own_order() -> None:
    services = rendered(stack(web=WEB, queue={**DB, "depends_on": {"keeper": "healthy"}}, keeper=DB))
    assert services["queue"]["depends_on"] == {"keeper": {"condition": "service_started"}}


def test_every_name_means_the_same_colour() -> None:
    services = rendered(stack(web=WEB, api={"aliases": ["shop_api", "api.local"]}, db={**DB, "aliases": ["shop_db"]}))
    links = ["shop-${COLOUR}-api:api", "shop-${COLOUR}-api:shop_api", "shop-${COLOUR}-api:api.local"]
    assert services["web"]["external_links"] == [*links, "shop-db:db", "shop-db:shop_db"]
    assert services["db"]["networks"]["private"] == {"aliases": ["shop_db"]}


def test_several_containers_of_a_service_answer_to_one_name() -> None:
    of = stack(web={**WEB, "replicas": 3}, mail={}, routes=[{"path": "/", "service": "web"}])
    services = rendered(of)
    assert "container_name" not in services["web"]
    assert services["web"]["deploy"] == {"replicas": 3}
    assert services["web"]["networks"]["private"] == {"aliases": ["shop-${COLOUR}-web"]}
    assert services["mail"]["external_links"] == ["shop-${COLOUR}-web:web"]
    assert of.upstreams("blue") == {"web": ["shop-blue-web:80"]}


def test_ports_of_the_server_lead_to_what_is_never_doubled() -> None:
    port = {"port": 53, "published": 5300, "protocol": "udp", "address": "127.0.0.1"}
    services = rendered(
        stack(web=WEB, dns={"order": "stop_first", "publish": [port]}, db={**DB, "publish": [{"port": 5432}]})
    )
    assert services["dns"]["ports"] == [{"target": 53, "published": "5300", "protocol": "udp", "host_ip": "127.0.0.1"}]
    assert services["db"]["ports"] == [{"target": 5432, "published": "5432", "protocol": "tcp"}]
    with pytest.raises(Exception, match="5432/tcp is published by db already"):
        stack(web=WEB, db={**DB, "publish": [{"port": 5432}]}, db2={**DB, "publish": [{"port": 5432}]})


def test_volumes_with_names_of_the_engine_s_own() -> None:
    volumes = [
        {"source": "data", "path": "/data", "name": "old_data", "external": True},
        {"source": "nfs", "path": "/nfs", "driver": "local", "driver_opts": {"type": "nfs"}},
        {"source": "code", "path": "/code", "subpath": "app", "nocopy": True},
        {"source": "/srv", "path": "/srv", "propagation": "rslave", "read_only": True},
        "/cache",
        {"source": "", "path": "/run"},
    ]
    of = stack(web={**WEB, "volumes": volumes})
    assert rendered(of)["web"]["volumes"] == [
        "data:/data",
        "nfs:/nfs",
        {"type": "volume", "source": "code", "target": "/code", "read_only": False,
         "volume": {"nocopy": True, "subpath": "app"}},
        {"type": "bind", "source": "/srv", "target": "/srv", "read_only": True, "bind": {"propagation": "rslave"}},
        "/cache",
        "/run",
    ]  # fmt: skip
    names = {
        key: value["name"] for key, value in yaml.safe_load(text_of(of).split(render.HEADER)[1])["volumes"].items()
    }
    assert names == {"code": "shop_code", "data": "old_data", "nfs": "shop_nfs"}


def test_files_are_mounted_from_where_the_release_keeps_them() -> None:
    files = [{"path": "/etc/nginx/nginx.conf", "source": "/src/nginx.conf", "read_only": True}]
    files += [{"path": "/init.sh", "content": "echo $HOME"}]
    services = rendered(stack(web={**WEB, "files": files}), web=["./files/abc", "./files/def"])
    assert services["web"]["volumes"] == ["./files/abc:/etc/nginx/nginx.conf:ro", "./files/def:/init.sh"]


def test_the_user_s_own_health() -> None:
    test = {"test": ["CMD-SHELL", "pg_isready -U $USER"], "interval": "1m30s", "start_interval": "2s"}
    services = rendered(
        stack(
            web={**WEB, "health": {"image": True}},
            a={"health": test},
            b={"health": {"test": "true || false"}},
            c={"health": {"test": ["NONE"]}},
        )
    )
    assert "healthcheck" not in services["web"]
    assert services["a"]["healthcheck"] == {
        "test": ["CMD-SHELL", "pg_isready -U $$USER"],
        "interval": "90s",
        "timeout": "30s",
        "retries": 3,
        "start_period": "30s",
        "start_interval": "2s",
    }
    assert services["b"]["healthcheck"]["test"] == ["CMD-SHELL", "true || false"]
    assert services["c"]["healthcheck"] == {"test": ["NONE"]}


def test_routes_with_names_and_ports_of_their_own() -> None:
    routes = [
        {"path": "/", "service": "web"},
        {"path": "/", "service": "admin", "host": "Admin.example.com", "port": 9000},
        {"path": "/up", "service": "web", "port": 8443},
    ]
    of = stack(routes, web=WEB, admin={"health": {"path": "/healthz"}})
    assert of.upstreams("green") == {
        "web": ["shop-green-web:80"],
        "admin": ["shop-green-admin:9000"],
        "admin:9000": ["shop-green-admin:9000"],
        "web:8443": ["shop-green-web:8443"],
    }
    assert of.routes[1].host == "admin.example.com"
    assert (of.host(of.services["admin"]), of.host(of.services["web"])) == ("admin.example.com", "shop.example.com")
    assert "Host: admin.example.com" in rendered(of)["admin"]["healthcheck"]["test"][1]
    with pytest.raises(Exception, match="'/' is routed twice at admin"):
        stack([*routes, routes[1]], web=WEB, admin=WEB)


def test_blank_variables_and_names_with_dots_are_taken_when_told_so() -> None:
    service = stack(web={**WEB, "env": {"discovery.type": "single-node", "EMPTY": ""}, "env_blank": True}).services[
        "web"
    ]
    assert service.env == {"discovery.type": "single-node", "EMPTY": ""}
