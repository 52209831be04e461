"""What the rendered configuration does, on every nginx that is supported."""

from __future__ import annotations

import json

import pytest
from real_nginx import RELEASES, RealNginx, docker

from ansible_collections.sluice.deploy.plugins.module_utils.edge.csp import policy_id
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import serving, site, state


@pytest.fixture(scope="module", params=RELEASES)
def nginx(request):
    with RealNginx(request.param) as running:
        yield running


@pytest.fixture
def serve(nginx):
    """Serve the shop with these settings."""

    def run(described=None, **settings):
        return nginx.serve(state(site(described, **settings)).with_serving("shop", serving()))

    return run


def policies(answer) -> tuple[str, str]:
    headers = answer.headers
    return headers.get("content-security-policy", ""), headers.get("content-security-policy-report-only", "")


@pytest.mark.parametrize("mode", ["enforce", "report", "app"])
def test_the_apps_own_policy_wins(serve, mode):
    client = serve(csp_mode=mode)
    assert policies(client.get("/own-policy")) == ("default-src 'none'", "")
    enforced, reported = policies(client.get("/"))
    assert ("script-src 'self'" in enforced, "script-src 'self'" in reported) == (mode == "enforce", mode == "report")
    assert policies(client.get("/api/reset"))[0 if mode == "enforce" else 1].startswith("default-src") == (
        mode != "app"
    )


def report(page="https://shop.test/admin/?token=secret#x", directive="script-src-elem", blocked="inline") -> bytes:
    inner = {"document-uri": page, "referrer": "https://shop.test/?secret", "effective-directive": directive}
    return json.dumps({"csp-report": {**inner, "blocked-uri": blocked, "script-sample": "secret"}}).encode()


def test_violations_are_noted_without_their_query_strings(serve, nginx):
    client = serve()
    place = policies(client.get("/"))[1].rpartition("report-uri ")[2]
    assert place == f"/.well-known/sluice/csp/{policy_id(site())}"
    for body in (
        report(),
        report(directive="img-src", blocked="https://cdn.test/x.png?secret"),
        report(blocked="chrome-extension://abc/x.js"),
        report(page='https://shop.test/"secret'),
        b"secret" * 100,
        b"{",
    ):
        assert client.send(place, method="POST", body=body).status == 204
    assert client.send(place, method="POST", body=b"x" * 17000).status == 413
    assert client.get(place).status == 403
    log = docker("exec", nginx.name, "cat", "/var/cache/edge/csp.shop.log")
    assert "secret" not in log
    rows = [json.loads(row) for row in log.splitlines()]
    assert [(r["policy"], r["page"], r["directive"], r["blocked"]) for r in rows] == [
        (policy_id(site()), "/admin/", "script-src-elem", "inline"),
        (policy_id(site()), "/admin/", "img-src", "https://cdn.test"),
        (policy_id(site()), "/", "script-src-elem", "inline"),
    ]
    statuses = [client.send(place, method="POST", body=report()).status for _ in range(120)]
    assert statuses.count(429) > 0, "a flood of one visitor is bounded"
