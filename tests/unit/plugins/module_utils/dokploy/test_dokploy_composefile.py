from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.composefile import (
    check_compose_file,
    check_isolated,
    read_compose_file,
    routed_hosts,
)
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.interpolation import interpolate
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
    assert findings("image: x\nnetwork_mode: host") == []
    found = read_compose_file("services: {a: {image: x, network_mode: host}, b: {image: x}}")
    assert found.modes == {"a": "host"}
    with pytest.raises(UserError, match="service a has network_mode: host, and cannot be put"):
        check_isolated(found)
    assert "neither image nor build" in findings("restart: always")[0]


def test_anchors_and_merges_are_seen_through():
    text = "x-base: &base\n  ports: ['80:80']\n  image: x\nservices:\n  a: {<<: *base}\n  b: *base\n"
    assert [f.line for f in read_compose_file(text).findings] == [2, 2]


def test_every_finding_is_named_with_its_line_in_one_error():
    text = 'services:\n  a:\n    volumes: [./a:/a]\n    image: x\n    ports: ["80:80"]\n'
    with pytest.raises(UserError, match=r"line 3: service a mounts ./a.*; line 5: service a publishes"):
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


VALUES = {"A": "a", "EMPTY": "", "PORT": "80"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A-${A}-$$A-$${A}", "a-a-$A-${A}"),
        ("${NONE}${NONE:-d}${NONE-d}", "dd"),
        ("${EMPTY:-d}${EMPTY-d}${A:-d}", "da"),
        ("${A:+r}${A+r}${EMPTY:+r}${EMPTY+r}${NONE+r}", "rrr"),
        ("${A:?gone}${NONE:?gone}", "a"),
        ("${NONE:-${ALSO:-${A}}}-${NONE:-}}", "a-}"),
        ("$1 $ 5$", "$1 $ 5$"),
        ("${NONE:-a{b}c}", "a{b}c"),
        ("${A", "${A"),
        ("${A b}", "${A b}"),
        ("${NONE:-x", "${NONE:-x"),
    ],
)
def test_references_are_filled_in_as_compose_does_it(text, expected):
    assert interpolate(text, VALUES) == expected


def test_references_nested_without_end_are_left_alone():
    assert interpolate("${N:-" * 5000 + "}" * 5000, {}).startswith("${N:-")


@pytest.mark.parametrize(
    "ports",
    ['["${PORT}:80"]', '["${NONE:-443}:80"]', '[{target: 80, published: "$PORT"}]'],
)
def test_a_port_by_reference_is_found(ports):
    found = read_compose_file(f"services: {{a: {{image: x, ports: {ports}}}}}", VALUES).findings
    assert "publishes port" in str(found[0])


def test_a_reference_in_a_merged_value_is_filled_in_once():
    text = 'x-a: &a {ports: ["$$PORT:80", "${PORT}:80"]}\nservices: {a: {image: x, <<: *a}, b: {image: x, <<: *a}}\n'
    assert len(read_compose_file(text, VALUES).findings) == 2
