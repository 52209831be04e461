# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.edge.model import State, state_from_json
from ansible_collections.sluice.deploy.plugins.module_utils.edge.nginx_features import features_of
from ansible_collections.sluice.deploy.plugins.module_utils.edge.parse_host import parse_edge
from ansible_collections.sluice.deploy.plugins.module_utils.edge.render import render
from ansible_collections.sluice.deploy.plugins.module_utils.edge.text import quote
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import (
    EDGE,
    NEWEST,
    OLDEST,
    serving,
    site,
    state,
)

ADDRESSES = {"shop-blue-server": ("10.0.0.2",), "shop-blue-front": ("10.0.0.3", "10.0.0.4")}


def rendered(*sites, features=NEWEST, serves="blue", addresses=ADDRESSES):
    return render(state(*sites).with_serving("shop", serving(serves)), addresses, features)


def block(text: str, head: str) -> str:
    """The body of the first block with this head."""
    return re.search(rf"^ *{re.escape(head)} \{{\n(.*?)^ *\}}", text, re.M | re.S)[1]


def test_upstreams_are_addresses_of_the_colour_that_serves():
    upstreams = rendered()["upstreams.conf"]
    assert "server 10.0.0.2:3000" in block(upstreams, "upstream shop.server")
    assert re.findall(r"server (\S+)", block(upstreams, "upstream shop.front")) == ["10.0.0.3:3001", "10.0.0.4:3001"]


def test_the_host_s_limits_are_the_settings():
    edge = parse_edge(
        {"image": "nginx:1", "certbot_image": "c:1", "uid": 1, "shutdown_timeout": 45, "request_header_size": "32KiB"}
    )
    main = render(replace(state(), edge=edge), {}, NEWEST)["nginx.conf"]
    assert "worker_shutdown_timeout 45s;" in main
    assert "large_client_header_buffers 4 32768;" in main


def test_where_no_stack_is_left_every_variable_is_set_still():
    main = render(state(), {}, NEWEST)["nginx.conf"]
    assert "set $preview 0;" in main


def test_a_service_without_a_container_is_under_maintenance():
    upstreams = rendered(addresses={"shop-blue-front": ("10.0.0.3",)})["upstreams.conf"]
    assert "server 127.0.0.1:8503" in block(upstreams, "upstream shop.server")
    assert "10.0.0.3" in block(upstreams, "upstream shop.front")


def test_a_service_that_breaks_off_is_told_with_the_page():
    text = rendered()["sites/shop.conf"]
    assert text.count("error_page 502 @away;") == text.count("proxy_pass http://shop.") > 0
    assert "proxy_pass http://127.0.0.1:8503;" in block(text, "location @away")
    assert "client_max_body_size 0;" in text


def test_idle_connections_to_the_app_end_before_node_closes_them():
    assert "keepalive_timeout 4s;" in rendered()["upstreams.conf"]


@pytest.mark.parametrize(
    ("features", "there", "absent"),
    [
        (NEWEST, ["http2 on;", "keepalive_min_timeout", "?X25519MLKEM768:"], ["ssl http2"]),
        (OLDEST, ["listen 8443 ssl http2;"], ["http2 on;", "keepalive_min_timeout", "MLKEM"]),
    ],
)
def test_what_a_version_lacks_is_left_out(features, there, absent):
    text = "".join(rendered(features=features).values())
    assert all(word in text for word in there)
    assert not any(word in text for word in absent)


def test_limit_with_its_burst_and_one_for_streams():
    files = rendered()
    api = block(files["sites/shop.conf"], 'location "/api"')
    assert "limit_req zone=shop.api burst=20 nodelay;" in api
    assert "limit_req zone=shop.streams.all " in api
    assert "limit_req_zone $limit_key zone=shop.api:1m rate=10r/s;" in files["nginx.conf"]
    assert "zone=shop.default burst=50" in block(files["sites/shop.conf"], 'location "/graphql"')


def test_a_stream_route_is_not_limited_but_as_a_stream():
    routes = [{"path": "/live", "service": "server", "stream": True, "rate_limit": "api"}]
    location = block(rendered(site({"routes": routes}))["sites/shop.conf"], 'location "/live"')
    assert "zone=shop.api" not in location
    assert "zone=shop.streams.all " in location


def test_body_size_and_timeout_of_a_route():
    routes = [{"path": "/up", "service": "server", "body_size": "1GiB", "timeout": "1h"}]
    location = block(rendered(site({"routes": routes}))["sites/shop.conf"], 'location "/up"')
    assert "client_max_body_size 1073741824;" in location
    assert "proxy_read_timeout 3600000ms;" in location


@pytest.mark.parametrize(("timeout", "written"), [("500ms", "500ms"), (1.5, "1500ms"), (100_000, "100000000ms")])
def test_a_timeout_is_written_as_nginx_reads_it(timeout, written):
    routes = [{"path": "/", "service": "server", "timeout": timeout}]
    assert f"proxy_read_timeout {written};" in rendered(site({"routes": routes}))["sites/shop.conf"]


def test_a_limit_without_a_burst():
    routes = [{"path": "/", "service": "server", "rate_limit": "api"}]
    assert "limit_req zone=shop.api nodelay;" in rendered(site({"routes": routes}))["sites/shop.conf"]


def test_rates_named_as_ours_have_zones_of_their_own():
    rates = {"streams": "1r/s", "10rps": "1r/m"}
    paths = {"/a": "streams", "/b": "10rps", "/c": "10r/s"}
    routes = [{"path": path, "service": "server", "rate_limit": rate} for path, rate in paths.items()]
    zones = re.findall(r"zone=(\S+):1m", rendered(site({"routes": routes}, rate_limits=rates, csp=""))["nginx.conf"])
    assert len(zones) == len(set(zones)) == 4


def test_a_stream_may_be_silent_for_an_hour():
    routes = [{"path": "/live", "service": "server", "stream": True}]
    assert "proxy_read_timeout 3600000ms;" in rendered(site({"routes": routes}))["sites/shop.conf"]


def test_no_other_upgrade_than_websocket_is_handed_on():
    text = rendered()["nginx.conf"]
    assert "default '';" in block(text, "map $http_upgrade $connection_upgrade")
    assert "proxy_set_header Upgrade $app_upgrade;" in text


def test_an_unusual_port_is_told_to_the_app():
    text = render(replace(state(), edge=replace(EDGE, https_port=8443)), {}, NEWEST)["nginx.conf"]
    assert "proxy_set_header X-Forwarded-Host $host:8443;" in text
    assert "absolute_redirect off;" in text


def test_paths_without_a_route_are_not_found():
    routes = [{"path": "/api", "service": "server"}]
    https = rendered(site({"routes": routes}))["sites/shop.conf"].split("listen 8443")[1]
    assert "return 404;" in block(https, "location /")


def test_no_location_adds_a_header_and_so_loses_the_others():
    text = rendered(site(basic_auth=["ann:$6$salt$hash"]))["sites/shop.conf"]
    locations = re.findall(r"location [^{]*\{[^}]*\}", text.split("listen 127.0.0.1")[0])
    assert len(locations) > 3
    assert not any("add_header" in location for location in locations)


def test_headers_are_taken_from_the_app_and_set_once():
    text = rendered(site(security_headers={"x-frame-options": "DENY", "X-Extra": 'a "b"'}))["sites/shop.conf"]
    assert 'add_header X-Frame-Options "DENY" always;' in text
    assert 'add_header X-Extra "a \\"b\\"" always;' in text
    assert text.count("add_header X-Frame-Options") == text.count("proxy_hide_header X-Frame-Options;") == 1


def test_a_header_left_to_the_app():
    text = rendered(site(security_headers={"X-Frame-Options": ""}, csp=""))["sites/shop.conf"]
    assert "X-Frame-Options" not in text
    assert "Content-Security-Policy" not in text


CLOSED = {"basic_auth": ["ann:$6$salt$hash"]}


def preview(one, secret="s"):
    return render(replace(state(one), secret=secret), {}, NEWEST)["preview.conf"]


def tokens(text):
    return set(re.findall(r"([0-9a-f]{64}) off;", text))


def test_a_pass_cookie_goes_to_requests_that_reached_an_upstream_alone():
    cookies = block(preview(site(**CLOSED)), "map $upstream_status:$remote_user $cookie_for_shop")
    assert "default '';" in cookies
    pattern = re.search(r"'~(\^\S.*?)' \"sluice_preview=", cookies)[1]
    assert re.search(pattern, "200:ann")
    assert re.search(pattern, "502, 200:ann")
    assert not any(re.search(pattern, text) for text in (":nobody", "200:", "-:ann"))


def test_a_pass_cookie_is_the_hosts_and_the_users():
    one = site(**CLOSED)
    others = [preview(one, "t"), preview(site(basic_auth=["ann:$6$salt$hash", "bob:$6$salt$hash"]))]
    assert tokens(preview(one)) == tokens(preview(one)) != tokens(others[0])
    assert tokens(preview(one)).isdisjoint(tokens(others[1]))
    assert not tokens(preview(one, ""))


def test_a_preview_named_off_is_closed():
    text = preview(site({"name": "off"}, **CLOSED))
    assert 'default "Preview of off";' in text
    assert "default off" not in text


@pytest.mark.parametrize(
    ("sent", "handed_on"),
    [
        ("sluice_preview=x", ""),
        ("a=1; sluice_preview=x; b=2", "a=1; b=2"),
        ("sluice_preview=x; b=2", "b=2"),
        ("a=1; sluice_preview=x", "a=1; "),
        ("sluice_preview=x; sluice_preview=y; b=2", ""),
    ],
)
def test_the_app_never_sees_the_pass_cookie(sent, handed_on):
    rows = block(preview(site(**CLOSED)), "map $http_cookie $app_cookie").splitlines()
    twice, once = (re.search(r'"~(.*?)" "', row)[1].replace("?<", "?P<") for row in rows[1:3])
    if re.search(twice, sent):
        assert handed_on == ""
    else:
        found = re.search(once, sent)
        assert found["cookies_before"] + found["cookies_after"] == handed_on


def test_preview_cookie_is_kept_out_of_the_readable_files():
    closed = replace(state(site(**CLOSED)), secret="s")
    files = render(closed, {}, NEWEST)
    token = re.search(r"([0-9a-f]{64}) off;", files["preview.conf"])[1]
    assert [name for name, text in files.items() if token in text] == ["preview.conf"]
    assert files["htpasswd/shop"] == "ann:$6$salt$hash\n"


def test_two_stacks_do_not_share_counters_or_upstreams():
    other = site({"name": "blog", "domain": "blog.test"})
    files = rendered(site(), other)
    assert "zone=blog.api:1m" in files["nginx.conf"]
    assert "include sites/blog.conf;" in files["nginx.conf"]
    assert "shop" not in files["sites/blog.conf"]
    assert {"shop.server", "blog.server"} <= set(re.findall(r"upstream (\S+) {", files["upstreams.conf"]))


def test_modern_profile_offers_tls_1_3_alone():
    modern = replace(state(), edge=replace(EDGE, tls_profile="modern"))
    text = render(modern, {}, NEWEST)["nginx.conf"]
    assert "ssl_protocols TLSv1.3;" in text
    assert "ssl_ciphers" not in text


def test_real_address_is_taken_from_named_proxies_only():
    behind = replace(state(), edge=replace(EDGE, trusted_proxies=("10.1.0.0/16",)))
    assert "set_real_ip_from 10.1.0.0/16;" in render(behind, {}, NEWEST)["nginx.conf"]
    assert "real_ip" not in rendered()["nginx.conf"]


@pytest.mark.parametrize(("lead", "place"), [("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "[2001:db8::1]")])
def test_who_follows_hands_a_ca_s_questions_on(lead, place):
    edge = replace(EDGE, lead=lead, overlay=True, http_port=8088)
    files = render(replace(state(), edge=edge), ADDRESSES, NEWEST)
    asked = block(files["sites/shop.conf"], "location ^~ /.well-known/acme-challenge/")
    assert f"proxy_pass http://{place}:8088;" in asked
    assert "root" not in asked
    # Not what only a server over HTTPS sets.
    assert "$app_" not in asked
    assert "proxy_connect_timeout 2s;" in files["nginx.conf"]
    assert "proxy_connect_timeout 5s;" in rendered(site())["nginx.conf"]


def test_redirect_names_an_unusual_port():
    text = render(replace(state(), edge=replace(EDGE, https_port=8443)), {}, NEWEST)["sites/shop.conf"]
    assert "return 301 https://$host:8443$request_uri;" in text


def test_the_log_format_knows_no_query_string():
    log = re.search(r"log_format .*", rendered()["nginx.conf"])[0]
    assert "$uri" in log
    assert not re.search(r"\$(request_uri|request|args|query_string|http_referer|http_cookie)\b", log)


def test_nothing_is_said_of_a_particular_app():
    assert "twenty" not in "".join(rendered().values())


def test_state_survives_json():
    before = state(site(basic_auth=["a:$6$b$c"]), site({"name": "blog", "domain": "blog.test"}))
    before = before.with_serving("shop", serving())
    assert state_from_json(json.loads(before.to_json())) == before


def test_removing_a_stack_leaves_the_others():
    both = state(site(), site({"name": "blog", "domain": "blog.test"})).with_serving("shop", serving())
    left = both.without_site("shop")
    assert list(left.sites) == ["blog"]
    assert left.serving == {}
    assert isinstance(left, State)


@settings(max_examples=100, derandomize=True)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$")))
def test_a_quoted_string_is_one_parameter(value):
    text = quote(value)
    body, i, plain = text[1:-1], 0, ""
    assert text[0] == text[-1] == '"'
    while i < len(body):
        assert body[i] != '"'
        i += body[i] == "\\"
        plain += body[i]
        i += 1
    assert plain == value


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.20 7 Apr 2026\n", OLDEST),
        (
            "nginx version: nginx/1.26.3 (Debian)\nbuilt with OpenSSL 3.5.6 (running with OpenSSL 3.0.2 x)\n",
            type(OLDEST)(True, False, False),
        ),
        ("nginx version: nginx/1.30.6\nbuilt with OpenSSL 3.6.5 x (running with OpenSSL 3.5.7 y)\n", NEWEST),
    ],
)
def test_features_by_version(build, expected):
    assert features_of(build) == expected


@pytest.mark.parametrize("build", ["", "nginx version: nginx/1.18.0\n", "apache 2.4"])
def test_images_without_a_fitting_nginx(build):
    with pytest.raises(UserError, match="nginx_certbot_image"):
        features_of(build)


@pytest.mark.parametrize(
    ("aliases", "said"),
    [
        ("serve", ["server_name shop.test *.shop.test;"]),
        ("redirect", ["server_name *.shop.test;", "return 308 https://shop.test$request_uri;"]),
    ],
)
def test_a_wildcard_is_served_or_led_to_the_domain(aliases, said):
    one = site({"domain_aliases": ["*.shop.test"]}, certificate={"kind": "self_signed"}, aliases=aliases)
    secure = rendered(one)["sites/shop.conf"].partition("listen 8443")[2]
    assert all(line in secure for line in said)
