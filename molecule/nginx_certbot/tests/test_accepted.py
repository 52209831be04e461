"""Whatever description of a site we accept, nginx accepts: thousands of them, on every version."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from real_nginx import RELEASES, RealNginx

from ansible_collections.sluice.deploy.plugins.module_utils.edge.site import Site
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import serving, site, state

# With SLUICE_CASES=8000, some 3,700 are accepted.
_CASES = int(os.environ.get("SLUICE_CASES", "600"))

# Mostly what is accepted, for the sake of numbers, and at its edges.
SEGMENTS = (
    "a",
    "api",
    "A0",
    ".x",
    "b~",
    "c@d",
    "%20",
    "%C3%A9",
    "%25",
    "%24x",
    "%22",
    "%7B",
    "e-f_g",
    "x" * 100,
    "%2B",
)
PATH = st.tuples(st.lists(st.sampled_from(SEGMENTS), max_size=3), st.sampled_from(["", "", "/"])).map(
    lambda found: "/" + "/".join(found[0]) + (found[1] if found[0] else "")
)
DOMAIN = st.sampled_from(
    ["shop.test", f"{'a' * 63}.{'b' * 63}.{'c' * 63}.test", "xn--bcher-kva.test", "a-b.c.d.e.test"]
)
HOST = st.sampled_from(["admin.shop.test", "shop.test", "api.test"])
ALIAS = st.sampled_from(["www.shop.test", "*.shop.test", "1.test", f"{'z' * 63}.test"])
TEXT = st.text(st.sampled_from("ab '\"\\;{}#%()=*/:,€é~$"), max_size=40)
HEADER = st.sampled_from(["X-A", "x-frame-options", "Referrer-Policy", "A", "X" * 60, "Content-Type"])
SIZE = st.sampled_from(["1", "4096", "5kB", "1MiB", "3 GB", "0", "64KiB", "7.5 MB"])
NETWORK = st.sampled_from(["10.0.0.0/8", "10.1.2.3/8", "::1", "2001:db8::1/32", "0.0.0.0/0", "::/0", "192.0.2.7"])
RATE = st.sampled_from(["1r/s", "1r/m", "999999r/s", "10r/s"])
RATE_NAME = st.sampled_from(["a", "api", "streams", "csp", "default", "10r", "A_-", "x" * 64])
NAME = st.sampled_from(["ab", "off", "shop", "a-b", "default", "x9" * 15, "a--b", "http"])
SERVICE = st.sampled_from(["server", "front"])


def some(**choices: st.SearchStrategy) -> st.SearchStrategy[dict]:
    """Any of these keys."""
    return st.fixed_dictionaries({}, optional=choices)


@st.composite
def accepted(draw) -> Site | None:
    """A site that is described somehow; none, where we refuse it."""
    rates = draw(st.dictionaries(RATE_NAME, RATE, max_size=3))
    timeout = st.one_of(st.integers(1, 604_800), st.floats(1, 10**5), st.sampled_from(["500ms", "1.5s", "2h", "1d"]))
    name = st.one_of(RATE, st.sampled_from([*rates, "default"]))
    further = some(
        host=HOST,
        port=st.sampled_from([3000, 9000]),
        rate_limit=name,
        burst=st.integers(0, 1000),
        body_size=SIZE,
        timeout=timeout,
        stream=st.booleans(),
    )
    routes = draw(st.lists(st.tuples(PATH, SERVICE, further), min_size=1, max_size=4, unique_by=lambda route: route[0]))
    rule = some(path=PATH, allow=st.lists(NETWORK, max_size=3), users=st.just(["ann"]), forward_auth=some(
        service=SERVICE, path=PATH, sign_in=PATH, headers=st.lists(HEADER, max_size=3)))  # fmt: skip
    port = st.fixed_dictionaries(
        {"port": st.sampled_from([22, 81, 1883, 8080, 8443, 443, 65535]), "service": SERVICE},
        optional={
            "tls": st.booleans(),
            "protocol": st.sampled_from(["tcp", "udp"]),
            "allow": st.lists(NETWORK, max_size=2),
        },
    )
    chosen = draw(some(
        csp=TEXT, csp_mode=st.sampled_from(["enforce", "report", "app"]), csp_hash_scripts=st.booleans(),
        security_headers=st.dictionaries(HEADER, TEXT, max_size=2),
        body_size=SIZE, retry_after=st.integers(1, 604_800), aliases=st.sampled_from(["redirect", "serve"]),
        basic_auth=st.just(["ann:$6$salt$hash"]), access=st.lists(rule, max_size=3), maintenance_page=TEXT,
        maintenance_allow=st.lists(NETWORK, max_size=3), response_header_size=SIZE,
        stream_timeout=st.integers(1, 604_800), ports=st.lists(port, max_size=2),
        cache=some(paths=st.lists(PATH, max_size=3), size=SIZE, seconds=st.integers(0, 10**8)),
    ))  # fmt: skip
    described = {
        "name": draw(NAME),
        "domain": draw(DOMAIN),
        "domain_aliases": draw(st.lists(ALIAS, max_size=2, unique=True)),
        "routes": [{"path": path, "service": service, **more} for path, service, more in routes],
    }
    try:
        # By DNS, without which a wildcard is refused.
        dns = {"email": "ops@shop.test", "dns_plugin": "rfc2136"}
        found = site(described, rate_limits=rates, users=["ann:$6$salt$hash"], certificate=dns, **chosen)
    except UserError:
        return None
    return replace(found, maintenance=draw(st.booleans()))


@pytest.fixture(scope="module", params=RELEASES)
def nginx(request):
    with RealNginx(request.param) as running:
        yield running


def described() -> list[Site]:
    """The same ones for every version."""
    found: list[Site] = []

    @settings(max_examples=_CASES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(accepted())
    def collect(one):
        if one:
            found.append(one)

    collect()
    return found


@pytest.fixture(scope="module")
def sites():
    return described()


def test_what_we_accept_nginx_accepts(nginx, sites):
    assert len(sites) > _CASES / 4
    folders = {str(number): one for number, one in enumerate(sites)}
    for folder, one in folders.items():
        nginx.write(state(one).with_serving(one.name, serving()), folder)
    refused = nginx.refusals(list(folders))
    assert refused == {}, [folders[folder] for folder in list(refused)[:1]]
