from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.composefile import (
    check_compose_file,
    read_compose_file,
    routed_hosts,
)
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError


def findings(service: str, rest: str = "") -> list[str]:
    indented = "\n".join("    " + line for line in service.splitlines())
    return [str(f) for f in read_compose_file(f"services:\n  web:\n{indented}\n{rest}").findings]


@pytest.mark.parametrize(
    "ports",
    [
        '["80:80"]',
        '["127.0.0.1:80:8080/tcp"]',
        "[443:8443]",
        '["70-90:70-90"]',
        "[{target: 8080, published: 80}]",
        '[{target: 8080, published: "440-450"}]',
        '["[::1]:443:1"]',
    ],
)
def test_published_edge_ports_are_found(ports):
    assert findings(f"image: x\nports: {ports}")[0].startswith("line 4: service web publishes port")


@pytest.mark.parametrize(
    "ports", ['["8080:80"]', "[80]", '["80"]', '["8443:443/tcp"]', "[{target: 80}]", '["${PORT}:80"]']
)
def test_other_ports_pass(ports):
    assert findings(f"image: x\nports: {ports}") == []


def test_dokploys_own_port_is_taken():
    assert "port 3000, which Dokploy itself holds" in findings('image: x\nports: ["3000:3000"]')[0]


@pytest.mark.parametrize("image", ["nginx", "nginx:1.28", "docker.io/library/nginx@sha256:0", "certbot/certbot:v3"])
def test_a_second_edge_is_found(image):
    assert "whose place Dokploy's Traefik takes" in findings(f"image: {image}")[0]


def test_an_image_that_only_builds_on_nginx_passes():
    assert findings("image: example/nginx-front:1") == []


@pytest.mark.parametrize(
    ("volumes", "bad"),
    [
        ('["./conf:/etc/x"]', True),
        ('["../conf:/etc/x:ro"]', True),
        ("[{type: bind, source: ./conf, target: /x}]", True),
        ('["../files/conf:/etc/x"]', False),
        ('["/srv/x:/x", "data:/data", "/anonymous"]', False),
        ("[{type: volume, source: data, target: /x}]", False),
    ],
)
def test_relative_bind_mounts(volumes, bad):
    assert bool(findings(f"image: x\nvolumes: {volumes}")) is bad


def test_files_of_secrets_and_configs():
    assert "secrets.s reads ./s" in findings("image: x", "secrets: {s: {file: ./s}}")[0]
    assert findings("image: x", "secrets: {s: {environment: S}}\nconfigs: {c: {file: /etc/c}}") == []


def test_host_network_and_neither_image_nor_build():
    assert "host's network" in findings("image: x\nnetwork_mode: host")[0]
    assert "neither image nor build" in findings("restart: always")[0]


def test_anchors_and_merges_are_seen_through():
    text = "x-base: &base\n  image: nginx\nservices:\n  a: {<<: *base}\n  b: *base\n"
    assert [f.line for f in read_compose_file(text).findings] == [2, 2]


def test_every_finding_is_named_with_its_line_in_one_error():
    text = 'services:\n  a:\n    image: nginx\n    ports: ["80:80"]\n'
    with pytest.raises(UserError, match=r"line 3: service a runs nginx.*; line 4: service a publishes port 80"):
        check_compose_file(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: [", "compose_file is not YAML: line 1"),
        ("a: b", "has no services"),
        ("", "has no services"),
        ("- a", "has no services"),
        ("services:\n  a: {image: x}\n  b: !!python/name:os.system", "image"),
    ],
)
def test_what_is_no_compose_file(text, message):
    with pytest.raises(UserError, match=message):
        check_compose_file(text)


def test_routed_hosts_of_both_label_forms():
    text = (
        "services:\n  a: {labels: ['t.rule=Host(`x.example`) && PathPrefix(`/a`)']}\n"
        "  b: {labels: {t.rule: 'Host(`y.example`)'}}\n  c:\n"
    )
    assert routed_hosts(text) == {"a": {"x.example"}, "b": {"y.example"}, "c": set()}
