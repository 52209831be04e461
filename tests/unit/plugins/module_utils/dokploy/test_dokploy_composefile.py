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


@pytest.mark.parametrize("image", ["nginx:1.28", "docker.io/library/caddy@sha256:0", "traefik", "certbot/certbot:v3"])
def test_an_inner_gateway_passes_unless_it_publishes_what_traefik_holds(image):
    assert findings(f'image: {image}\nports: ["8080:80"]\nexpose: [80]') == []
    assert "publishes port 80" in findings(f'image: {image}\nports: ["80:80"]')[0]


def test_a_services_own_keys_win_over_merged_ones():
    merged = 'x-a: &a {image: a, ports: ["80:80"]}\nservices:\n  web:\n    ports: ["8080:80"]\n    <<: *a\n'
    assert read_compose_file(merged).findings == ()


def test_mappings_that_merge_themselves_or_each_other_many_times_are_read_once():
    own = "services: &s\n  <<: *s\n  web: {image: x}\n"
    assert read_compose_file(own).services == ("web",)
    bomb = "x0: &x0 {image: x}\n" + "".join(
        f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
    )
    assert read_compose_file(f"{bomb}services: {{web: *x11}}").findings == ()


def test_a_file_without_bottom_is_refused():
    with pytest.raises(UserError, match="nested too deeply"):
        read_compose_file("[" * 20_000)


@pytest.mark.parametrize(
    "text", ["", "[]", "services: []", "services: {web: [], db: null}", "services: {web: {labels: 1}}"]
)
def test_odd_files_route_nothing(text):
    assert not any(routed_hosts(text).values())


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
    text = "x-base: &base\n  ports: ['80:80']\n  image: x\nservices:\n  a: {<<: *base}\n  b: *base\n"
    assert [f.line for f in read_compose_file(text).findings] == [2, 2]


def test_every_finding_is_named_with_its_line_in_one_error():
    text = 'services:\n  a:\n    network_mode: host\n    image: x\n    ports: ["80:80"]\n'
    with pytest.raises(UserError, match=r"line 3: service a uses the host's network.*; line 5: service a publishes"):
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
