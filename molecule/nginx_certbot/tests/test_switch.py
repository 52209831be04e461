"""Switches and renewals under load: no request is lost."""

from __future__ import annotations

import json
import sys
import time

import pytest
from conftest import PROJECT
from waiting import eventually

sys.path.insert(0, str(PROJECT / "tests/bench"))
from edge_load import Load


@pytest.fixture(scope="module", autouse=True)
def colours(apps):
    apps.start("blue")
    apps.start("green")
    apps.switch("blue")
    yield
    apps.stop("green")
    apps.stop("blue")


def test_status_and_switch(apps, shell, client):
    there = json.loads(apps.switch("green").stdout)
    assert there == {"stack": "shop", "serving": "green", "previous": "blue", "changed": True}
    assert client.get("/api/x").json["colour"] == "green"
    assert json.loads(shell("/usr/local/lib/sluice/edge-switch status shop").stdout) == {**there, "changed": False}
    assert json.loads(apps.switch("blue").stdout)["previous"] == "green"


def test_a_failed_switch_leaves_the_old_colour(apps, client):
    done = apps.switch("green", check=False, server=["nobody:3000"])
    assert done.returncode != 0
    assert done.stderr.splitlines() == ["no running container on the edge network answers to 'nobody'."]
    assert client.get("/api/x").json["colour"] == "blue"


def test_maintenance(apps, client):
    apps.switch(None)
    answer = client.get("/api/x")
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    apps.switch("blue")
    assert client.get("/api/x").status == 200


def test_twenty_switches_lose_nothing(apps, client, roots):
    with Load(client.address, "shop.test", roots, rate=200, path="/") as load:
        for turn in range(20):
            apps.switch("green" if turn % 2 == 0 else "blue")
            time.sleep(0.5)
    assert load.failures == []
    assert load.answered > 1000
    assert set(load.bodies) == {b"blue", b"green"}


def app(service: str, port: int, **more) -> dict:
    """The stub app as a service, each container of which says its own name."""
    script = f"exec python3 /app.py {port} $(hostname)"
    return {
        "image": "local/sluice-certbot:forky",
        "entrypoint": ["sh", "-c", script],
        "port": port,
        "health": {"path": "/"},
        "volumes": [{"source": "/root/app.py", "path": "/app.py", "read_only": True}],
        "stop_grace": "1s",
        **more,
    }


@pytest.fixture
def replicated(apps, shell, run_module):
    """The stack released with two containers of its front; answers what a look at the host says of these."""
    apps.stop("blue")
    services = {"server": app("server", 3000), "front": app("front", 3001, replicas=2)}
    routes = [{"path": "/api", "service": "server"}, {"path": "/", "service": "front"}]
    stack = {"name": "shop", "services": services, "routes": routes, "drain": 0}
    edge = ["/usr/local/lib/sluice/edge-switch"]
    try:
        done = run_module("sluice.deploy.stack_release", {"stack": stack, "edge_switch": edge})
        assert done.get("colour") == "blue", done

        def look() -> tuple[str, str]:
            seen = run_module("sluice.deploy.host_probe", {"stack": "shop", "services": services, "edge_switch": edge})
            return next((r["status"], r["measured"]) for r in seen["results"] if r["id"] == "container.front")

        yield look
    finally:
        labels = "--filter label=com.docker.compose.project=shop-blue"
        shell(f"docker rm -f $(docker ps --all --quiet {labels}); rm -rf /var/lib/sluice/stacks/shop")
        apps.start("blue")
        apps.switch("blue")


def test_of_two_containers_of_a_service_each_is_sent_requests_and_one_may_be_killed(replicated, shell, client, roots):
    assert replicated() == ("pass", "running, healthy")
    with Load(client.address, "shop.test", roots, rate=50, path="/") as load:
        eventually(lambda: len(set(load.bodies[-50:])) == 2, 60)
        shell("docker kill shop-blue-front-1")
        known = "cat /etc/sluice/edge/conf/current/upstreams.conf"
        eventually(lambda: shell(known).stdout.partition("shop.front")[2].partition("}")[0].count("server ") == 1, 60)
        asked = load.answered
        eventually(lambda: load.answered > asked + 50, 60)
    assert load.failures == []
    assert len(set(load.bodies[-50:])) == 1
    assert replicated() == ("fail", "exited (137)")
    shell("docker rm shop-blue-front-1")
    assert replicated() == ("fail", "1 of 2 containers; running, healthy")


def test_ten_certificate_swaps_lose_nothing(shell, client, roots):
    """As the timer does it, with certbot's part left out: ten key pairs in turn."""
    swap = (
        "cd /usr/local/lib/sluice && PYTHONPATH=edge-switch python3 -c '"
        "from sluice.edge.store import *; from sluice.edge.engine import *; from sluice.edge.apply import apply; "
        "s = Store(); f = s.files(); st = s.state(); e = EdgeEngine(st.edge, s.root); "
        'apply(s, e, st, {"shop": (f["tls/shop.pem"] + b"\\n", f["tls/shop.key"])})\''
    )
    with Load(client.address, "shop.test", roots, rate=200, path="/") as load:
        for _ in range(10):
            shell(swap)
    assert load.failures == []
    assert load.answered > 500
