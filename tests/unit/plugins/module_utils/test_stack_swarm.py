"""A release as a swarm takes it, and what it does not take."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack
from ansible_collections.sluice.deploy.plugins.module_utils.stack.swarm import Content, swarm_form

OPTIONS = {"com.docker.network.driver.mtu": "1350"}


def config(**web: Any) -> dict[str, Any]:
    """What `docker compose config` says of a release."""
    return {
        "name": "crm-green",
        "networks": {
            "edge": {"name": "sluice-edge", "ipam": {}, "external": True},
            "private": {"name": "crm", "ipam": {}, "external": True},
        },
        "secrets": {"web_KEY": {"name": "crm-green_web_KEY", "file": "/r/secrets/web/KEY"}},
        "volumes": {"files": {"name": "crm_files", "external": True}, "nfs": {"name": "crm_nfs", "driver": "nfs"}},
        "services": {
            "web": {
                "image": "sluice/crm-web:0123",
                "command": None,
                "entrypoint": None,
                "environment": {"A": "a$$b"},
                "external_links": ["crm-db:db", "crm-green-worker:worker", "crm-green-worker:jobs"],
                "networks": {"edge": {"aliases": ["crm-green-web"]}, "private": {}},
                "restart": "unless-stopped",
                "security_opt": ["no-new-privileges:true"],
                "stop_grace_period": "1s",
                **web,
            },
            "worker": {
                "image": "sluice/crm-worker:0123",
                "container_name": "crm-green-worker",
                "external_links": ["crm-green-web:web"],
                "networks": {"private": None},
            },
        },
    }


def form(told: dict[str, Any], *services: str) -> tuple[dict[str, Any], list[Content]]:
    return swarm_form(
        told,
        "crm-green",
        "green",
        services or ("web", "worker"),
        lambda reference: f"registry/{reference}@sha256:1",
        lambda place, secret: Content(place.rpartition("/")[2] + "-12", place, secret, 33, 0o400),
        "m1",
        OPTIONS,
    )


def test_siblings_find_each_other_on_a_network_of_the_colour() -> None:
    told, _ = form(config())
    web, worker = told["services"]["green-web"], told["services"]["green-worker"]
    assert web["networks"] == {
        "edge": {"aliases": ["crm-green-web"]},
        "private": {},
        "green": {"aliases": ["web"]},
    }
    assert worker["networks"]["green"] == {"aliases": ["worker", "jobs"]}
    assert told["networks"]["green"] == {"driver": "overlay", "attachable": True, "driver_opts": OPTIONS}
    assert told["networks"]["private"] == {"name": "crm", "external": True}


def test_what_is_not_started_yet_is_left_out() -> None:
    told, _ = form(config(), "worker")
    assert list(told["services"]) == ["green-worker"]


def test_a_service_is_found_by_its_project_and_runs_everywhere() -> None:
    web = form(config(deploy={"replicas": 3, "resources": {"limits": {"cpus": 0.5, "memory": "1", "pids": 9}}}))[0][
        "services"
    ]["green-web"]
    assert web["deploy"]["labels"] == {"com.docker.compose.project": "crm-green", "com.docker.compose.service": "web"}
    assert web["deploy"]["replicas"] == 3
    assert web["deploy"]["endpoint_mode"] == "dnsrr"
    assert web["deploy"]["resources"] == {"limits": {"cpus": "0.5", "memory": "1", "pids": 9}}
    assert "placement" not in web["deploy"]
    assert web["image"] == "registry/sluice/crm-web:0123@sha256:1"
    assert web["environment"] == {"A": "a$$b"}
    assert not {"restart", "external_links", "security_opt", "command"} & set(web)


def test_files_travel_as_secrets_and_configs() -> None:
    told, contents = form(
        config(
            secrets=[{"source": "web_KEY", "target": "KEY"}],
            volumes=[{"type": "bind", "source": "/r/files/web/0", "target": "/etc/app.conf", "read_only": True}],
        ),
        "web",
    )
    web = told["services"]["green-web"]
    assert web["secrets"] == [{"source": "KEY-12", "uid": "33", "mode": 0o400, "target": "KEY"}]
    assert web["configs"] == [{"source": "0-12", "uid": "33", "mode": 0o400, "target": "/etc/app.conf"}]
    assert told["secrets"] == {"KEY-12": {"name": "KEY-12", "external": True}}
    assert told["configs"] == {"0-12": {"name": "0-12", "external": True}}
    assert [(c.place, c.secret) for c in contents] == [("/r/files/web/0", False), ("/r/secrets/web/KEY", True)]


@pytest.mark.parametrize(("volume", "constraint"), [("files", ["node.hostname == m1"]), ("nfs", None)])
def test_what_uses_a_volume_of_the_engine_stays_where_it_lies(volume: str, constraint: list[str] | None) -> None:
    told, _ = form(config(volumes=[{"type": "volume", "source": volume, "target": "/data", "volume": {}}]), "web")
    web = told["services"]["green-web"]
    assert web["deploy"].get("placement", {}).get("constraints") == constraint
    assert web["volumes"] == [{"type": "volume", "source": volume, "target": "/data"}]
    assert list(told["volumes"]) == [volume]


def test_memory_ports_and_hosts_take_the_forms_of_a_swarm() -> None:
    told, _ = form(
        config(
            tmpfs=["/x:size=2m,mode=1777", "/y"],
            shm_size="67108864",
            ports=[{"mode": "ingress", "target": 53, "published": "53", "protocol": "udp"}],
            extra_hosts=["db=10.0.0.1"],
        ),
        "web",
    )
    web = told["services"]["green-web"]
    assert web["volumes"] == [
        {"type": "tmpfs", "target": "/x", "tmpfs": {"size": 2 << 20}},
        {"type": "tmpfs", "target": "/y"},
        {"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": 64 << 20}},
    ]
    assert web["ports"] == [{"target": 53, "published": 53, "protocol": "udp", "mode": "host"}]
    assert web["extra_hosts"] == ["db:10.0.0.1"]


def described(engine: str = "swarm", **service: Any) -> dict[str, Any]:
    return {
        "name": "crm",
        "domain": "crm.example.com",
        "engine": engine,
        "services": {"web": {"image": "crm:1", "port": 80, "health": {"path": "/"}, **service}},
    }


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"runtime": {"devices": ["/dev/x"]}}, "stack_services.web.runtime.devices: a service of a swarm has no"),
        ({"runtime": {"privileged": True}}, "stack_services.web.runtime.privileged"),
        ({"image": None, "build": {"context": "/src"}}, "stack_services.web.build: the other nodes"),
        ({"volumes": ["/srv/x:/x"]}, "stack_services.web.volumes: /srv/x is a directory of one host"),
        (
            {"order": "stop_first", "publish": [{"port": 53, "published": 53, "address": "127.0.0.1"}]},
            "stack_services.web.publish: a swarm publishes on all addresses",
        ),
    ],
)
def test_what_a_swarm_cannot_do_is_refused_by_key(service: dict[str, Any], said: str) -> None:
    wanted = {key: value for key, value in described(**service)["services"]["web"].items() if value is not None}
    told = {**described(), "services": {"web": wanted}}
    with pytest.raises(UserError) as refused:
        parse_stack(told)
    assert said in str(refused.value)
    assert parse_stack({**told, "engine": "compose"}).engine == "compose"


def test_of_what_stays_on_one_node_nothing_is_refused() -> None:
    told = described()
    told["services"]["db"] = {
        "image": "postgres:17",
        "stateful": True,
        "volumes": ["/srv/db:/var/lib/postgresql"],
        "runtime": {"shm_size": "1g", "devices": ["/dev/x"]},
    }
    assert parse_stack(told).engine == "swarm"


def test_one_place_for_two_releases_is_no_strategy_of_a_swarm() -> None:
    with pytest.raises(UserError, match="stack_strategy: a swarm runs releases beside each other"):
        parse_stack({**described(), "strategy": "recreate"})
