"""What is too much for an nginx is refused by name, before anything is made."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import install, keypairs
from ansible_collections.sluice.deploy.plugins.module_utils.edge.engine import EdgeEngine
from ansible_collections.sluice.deploy.plugins.module_utils.edge.host import Host
from ansible_collections.sluice.deploy.plugins.module_utils.edge.nginx_features import check_features, features_of
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import (
    BUILD,
    EDGE,
    FakeDocker,
    site,
    state,
)

EVERYTHING = [
    "http_ssl_module",
    "http_v2_module",
    "http_realip_module",
    "http_auth_request_module",
    "stream",
    "stream_ssl_module",
]
PORTS = [{"port": 8883, "service": "server", "tls": True}, {"port": 1883, "service": "server"}]
ASKING = site(ports=PORTS, access=[{"forward_auth": {"service": "server"}}])


class Built(FakeDocker):
    """An engine whose nginx was built with these modules."""

    def __init__(self, *modules: str) -> None:
        super().__init__()
        self.build = build(*modules)

    def _answer(self, command: str):
        return (0, "", self.build) if command.endswith(" -V") else super()._answer(command)


def build(*modules: str) -> str:
    return f"{BUILD}configure arguments: --prefix=/usr {' '.join(f'--with-{module}' for module in modules)}\n"


@pytest.mark.parametrize(
    ("lacking", "setting"),
    [
        ("http_ssl_module", "nginx_certbot_image"),
        ("http_v2_module", "nginx_certbot_image"),
        ("http_realip_module", "nginx_certbot_trusted_proxies"),
        ("http_auth_request_module", "nginx_certbot_access.forward_auth (shop)"),
        ("stream", "nginx_certbot_ports (shop)"),
        ("stream_ssl_module", "nginx_certbot_ports.tls (shop)"),
    ],
)
def test_each_module_that_is_not_there_is_named_with_what_asks_for_it(lacking, setting):
    features = features_of(build(*(module for module in EVERYTHING if module != lacking)))
    asking = replace(state(ASKING), edge=replace(EDGE, trusted_proxies=("10.0.0.0/8",)))
    with pytest.raises(UserError) as told:
        check_features(asking, features)
    assert str(told.value) == (
        f"{setting}: the nginx of nginx_certbot_image has no module {lacking}; take one that was built --with-{lacking}."
    )


def test_what_is_there_or_not_asked_for_is_no_reason():
    check_features(replace(state(ASKING)), features_of(build(*EVERYTHING)))
    check_features(state(site()), features_of(build("http_ssl_module", "http_v2_module")))
    # Not all tell how they were built.
    check_features(state(site()), features_of(BUILD))


@pytest.mark.parametrize("check", [False, True])
def test_an_install_is_refused_before_anything_is_made(tmp_path, monkeypatch, check):
    monkeypatch.setattr(keypairs, "self_signed", lambda names: (b"chain", b"key"))
    monkeypatch.setattr(Host, "check_ports", lambda *_: None)
    store, docker = Store(tmp_path / "edge"), Built("http_ssl_module", "http_v2_module")
    with pytest.raises(UserError) as told:
        install.put(store, EDGE, ASKING, None, "", check=check, runner=docker)
    assert [line.partition(":")[0] for line in str(told.value).splitlines()] == [
        "nginx_certbot_access.forward_auth (shop)",
        "nginx_certbot_ports (shop)",
        "nginx_certbot_ports.tls (shop)",
    ]
    assert not {"create", "compose", "systemctl"} & {word for argv in docker.calls for word in argv}
    assert {path.name for path in tmp_path.rglob("*") if path.is_dir()} <= {"edge"}


def test_an_image_is_asked_once_also_where_there_is_no_place_to_note_it_yet(tmp_path):
    docker = Built(*EVERYTHING)
    engine = EdgeEngine(EDGE, tmp_path / "edge", docker)
    first = engine.features("")
    (tmp_path / "edge").mkdir()
    assert engine.features("") == first
    assert sum(argv[-1] == "-V" for argv in docker.calls) == 1
    assert json.loads((tmp_path / "edge/nginx-build.json").read_text())["build"] == docker.build
