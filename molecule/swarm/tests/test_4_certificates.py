"""One certificate of a real CA for all edges: issued, renewed, brought to a node that joins, renewed by another lead."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
from test_2_edges import SWITCH, visit

PROJECT = pathlib.Path(__file__).resolve().parents[3]
EDGES = ("debian13", "third")
ACME = {
    "stack_domain": "crm.test",
    "nginx_certbot_certificate": "acme",
    "nginx_certbot_email": "ops@crm.test",
    "nginx_certbot_certbot_image": "local/sluice-certbot:forky",
    "nginx_certbot_acme_directory": "https://pebble.internal:14000/dir",
    "nginx_certbot_acme_ca_bundle": "/etc/ssl/pebble.pem",
    "app_version": "2",
}

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def images():
    """What every edge needs, as from a registry."""

    def bring(server, node, *names):
        saved = subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE)
        argv = [PROJECT / "tools/server", "ssh", node, "docker load --quiet"]
        subprocess.run(argv, stdin=saved.stdout, check=True, capture_output=True)
        assert saved.wait() == 0

    return bring


@pytest.fixture(scope="module")
def authority(request, images):
    """Pebble beside the servers; it asks the edge that does not ask it."""
    server = request.getfixturevalue("server")
    subprocess.run([PROJECT / "demo/images/edge/build", "pebble:forky"], check=True, capture_output=True)
    server("run", "pebble", "local/sluice-pebble:forky", "--env", f"DOMAIN_ADDRESS={server('ip', 'third')}")
    name = server("name", "pebble")
    for node in EDGES:
        images(server, node, "local/sluice-certbot:forky")
        trust(server, node)
    yield lambda: subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True).stdout
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def trust(server, node):
    copied = ["docker", "cp", "--quiet", f"{server('name', 'pebble')}:/var/lib/pebble/tls.pem", "-"]
    archive = subprocess.run(copied, capture_output=True, check=True).stdout
    argv = ["docker", "cp", "--quiet", "-", f"{server('name', node)}:/etc/ssl"]
    subprocess.run(argv, input=archive, check=True, capture_output=True)
    server("ssh", node, "mv /etc/ssl/tls.pem /etc/ssl/pebble.pem; chmod 644 /etc/ssl/pebble.pem")


@pytest.fixture
def play(play_over):
    return play_over(PROJECT / "molecule/swarm/inventory", PROJECT / "molecule/swarm/joined")


@pytest.fixture
def shown(server):
    """The certificate that these edges show; it has to be one."""

    def look(*nodes):
        (found,) = {visit(server("ip", node), "crm.test") for node in nodes}
        assert found[0] == "HTTP/1.1 200 OK"
        return found[1]

    return look


def released(done):
    assert done.returncode == 0, done.stdout + done.stderr


def renew(server, lead):
    server("ssh", lead, "sed -i '1i renew_before_expiry = 3000 days' /etc/sluice/edge/acme/renewal/crm.conf")
    server("ssh", lead, "sed -i '/ari_retry_after/d' /etc/sluice/edge/acme/renewal/crm.conf")
    server("ssh", lead, "/usr/local/lib/sluice/edge-switch certificates")
    server("ssh", lead, "sed -i '/renew_before_expiry/d' /etc/sluice/edge/acme/renewal/crm.conf")
    # Its settings are the other edges' as well.
    server("ssh", lead, "/usr/local/lib/sluice/edge-switch certificates")


def test_one_is_issued_whichever_edge_the_ca_asks(play_over, server, authority, shown):
    play = play_over(PROJECT / "molecule/swarm/inventory")
    released(play("site", "--tags", "nginx_certbot,compose_stack", **ACME))
    shown(*EDGES)
    told = json.loads(server("ssh", EDGES[0], SWITCH.format("certificate")))
    assert (told["equal"], told["self_signed"]) == (True, False)
    assert authority().count("POST /order-plz") == 1


def test_it_is_renewed_once_and_no_request_is_lost(server, authority, shown, load_of):
    before, orders = shown(*EDGES), authority().count("POST /order-plz")
    with load_of(server("ip", EDGES[0]), "crm.test") as one, load_of(server("ip", EDGES[1]), "crm.test") as two:
        renew(server, EDGES[0])
    assert shown(*EDGES) != before
    assert authority().count("POST /order-plz") == orders + 1
    assert one.lost == two.lost == []


def test_a_node_that_joins_serves_the_same(play, server, authority, images, shown):
    server("up", "fourth", "trixie")
    released(play("site", "--tags", "docker_host", **ACME))
    trust(server, "fourth")
    images(server, "fourth", "local/sluice-nginx:forky", "local/sluice-certbot:forky")
    released(play("site", "--tags", "nginx_certbot,compose_stack", **ACME))
    shown(*EDGES, "fourth")


def test_another_lead_renews_it_as_the_same_account(play, server, authority, shown):
    accounts, orders, before = *(authority().count(f"POST /{w}") for w in ("sign-me-up", "order-plz")), shown(*EDGES)
    released(play("site", "--tags", "nginx_certbot,compose_stack", swarm_lead_node="m3", **ACME))
    assert shown(*EDGES, "fourth") == before
    renew(server, "third")
    assert shown(*EDGES, "fourth") != before
    assert authority().count("POST /sign-me-up") == accounts
    assert authority().count("POST /order-plz") == orders + 1
