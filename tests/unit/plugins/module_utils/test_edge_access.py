# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge.access import rule_of
from ansible_collections.sluice.deploy.plugins.module_utils.edge.extra import check_extra
from ansible_collections.sluice.deploy.plugins.module_utils.edge.model import state_from_json
from ansible_collections.sluice.deploy.plugins.module_utils.edge.nginx_features import features_of
from ansible_collections.sluice.deploy.plugins.module_utils.edge.parse import check_beside
from ansible_collections.sluice.deploy.plugins.module_utils.edge.project import compose_file
from ansible_collections.sluice.deploy.plugins.module_utils.edge.render import render
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import (
    BUILD,
    EDGE,
    NEWEST,
    ROUTES,
    serving,
    site,
    state,
)

STREAMS = replace(NEWEST, stream="/usr/lib/nginx/modules/ngx_stream_module.so")
USERS = ["ann:$6$salt$hash"]
FORWARD = {"service": "server", "path": "/ask", "sign_in": "/login?rd=", "headers": ["Remote-User"]}


def rendered(one, features=STREAMS):
    addresses = {"shop-blue-server": ("10.0.0.2",), "shop-blue-front": ("10.0.0.3",)}
    return render(state(one).with_serving("shop", serving()), addresses, features)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"access": [{"path": "/api"}]}, r"nginx_certbot_access\[0\] keeps nobody out"),
        ({"access": [{"allow": ["10.0.0.0/33"]}]}, r"access\[0\].allow: '10.0.0.0/33' is no address"),
        ({"access": [{"allow": ["fe80::1%eth0;"]}]}, "is no address"),
        ({"access": [{"users": ["an"]}], "users": USERS}, "did you mean 'ann'"),
        ({"access": [{"users": ["ann"]}]}, "set its password in nginx_certbot_users"),
        ({"access": [{"pth": "/"}]}, "did you mean 'path'"),
        ({"access": [{"path": "/x/../y", "allow": ["::1"]}]}, "write /y"),
        ({"access": [{"host": "no.test", "path": "/x", "allow": ["::1"]}]}, "no route has the host .no.test"),
        ({"access": [{"host": "no.test", "allow": ["::1"]}]}, "no route has the host .no.test"),
        ({"access": [{"allow": ["::1"]}, {"path": "/", "users": ["ann"]}], "users": USERS}, "has a rule already"),
        ({"access": [{"forward_auth": {"service": "sso"}}]}, "no service 'sso'"),
        ({"access": [{"forward_auth": {**FORWARD, "path": "/a b"}}]}, "forward_auth.path"),
        ({"access": [{"forward_auth": {**FORWARD, "path": "https://x.test/"}}]}, "forward_auth.path"),
        ({"access": [{"forward_auth": {**FORWARD, "sign_in": '/x";return 200'}}]}, "forward_auth.sign_in"),
        ({"access": [{"forward_auth": {**FORWARD, "sign_in": "/$host"}}]}, "forward_auth.sign_in"),
        ({"access": [{"forward_auth": {**FORWARD, "headers": ["X Y"]}}]}, "no name of a header"),
        ({"maintenance_allow": ["here"]}, "nginx_certbot_maintenance_allow"),
        ({"response_header_size": "1GiB"}, "nginx_certbot_response_header_size"),
        ({"cache": {"size": "1MiB"}}, "nginx_certbot_cache.paths is empty"),
        ({"cache": {"paths": ["/a/"], "seconds": -1}}, "nginx_certbot_cache.seconds"),
        ({"ports": [{"port": 0, "service": "server"}]}, "is no port"),
        ({"ports": [{"port": 443, "service": "server"}]}, "443 is the edge's own"),
        ({"ports": [{"port": 53, "service": "server", "protocol": "udp", "tls": True}]}, "over tcp alone"),
        ({"ports": [{"port": 53, "service": "server", "protocol": "sctp"}]}, "neither tcp nor udp"),
        ({"ports": [{"port": 1883, "service": "server"}, {"port": 1883, "service": "front"}]}, "routed twice"),
        ({"ports": [{"port": 1883, "service": "nobody"}]}, "no service 'nobody'"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        site(**settings)


def test_the_longest_path_counts_alone():
    one = site(
        users=USERS,
        access=[{"allow": ["10.0.0.0/8"]}, {"path": "/api", "users": ["ann"]}, {"path": "/api/x", "allow": ["::1"]}],
    )
    fitting = [rule_of(one, "", path).path for path in ("/", "/app", "/api", "/api/y", "/api/x/z")]
    assert fitting == ["/", "/", "/api", "/api", "/api/x"]
    text = rendered(one)["sites/shop.conf"]
    assert 'location "/api/x"' in text, "a rule within a route has a location of its own"
    assert rendered(one)["htpasswd/shop.1"] == USERS[0] + "\n"


def test_what_says_who_someone_is_comes_from_nobody_else():
    text = rendered(site(access=[{"path": "/api", "forward_auth": FORWARD}]))["sites/shop.conf"]
    assert '\n    proxy_set_header Remote-User "";' in text
    api = text[text.index('location "/api"') :].split("}")[0]
    assert "proxy_set_header Remote-User $forward_remote_user;" in api
    assert "proxy_set_header Host $host;" in api


def test_what_the_asked_service_set_is_known_on_hosts_that_ask_nobody():
    """nginx refuses a variable that nothing sets, and every host forwards the cookie."""
    routes = [{"path": "/", "service": "server", "host": "api.test"}]
    one = site({"routes": routes}, access=[{"path": "/", "forward_auth": FORWARD}])
    text = "\n".join(rendered(one).values())
    servers = [part for part in text.split("\nserver {") if "$forward_cookie always" in part]
    assert servers and all('set $forward_cookie "";' in part for part in servers)


def test_a_route_of_another_host_is_in_a_server_of_its_own():
    one = site({"routes": [*ROUTES, {"path": "/", "service": "front", "host": "admin.shop.test"}]})
    assert one.names == ("shop.test", "admin.shop.test")
    text = rendered(one)["sites/shop.conf"]
    assert text.count("listen 8443") == 2
    admin = text[text.index("server_name admin.shop.test;") :].split("listen")[0]
    assert '"/api"' not in admin
    other = site({"name": "blog", "domain": "admin.shop.test"})
    with pytest.raises(UserError, match=r"admin\.shop\.test is served by stack 'shop'"):
        check_beside(other, {"shop": one})


def test_a_port_of_a_service_is_an_upstream_of_its_own():
    one = site({"routes": [{"path": "/", "service": "server", "port": 8080}]})
    assert one.upstreams == ("server:8080",)
    files = rendered(one)
    assert "upstream shop.server.8080 {" in files["upstreams.conf"]
    assert "proxy_pass http://shop.server.8080;" in files["sites/shop.conf"]


def test_the_sites_own_name_and_an_alias_are_no_host_of_a_route():
    assert site({"routes": [{"path": "/", "service": "front", "host": "shop.test"}]}).hosts == ()
    aliased = {"domain_aliases": ["www.shop.test"]}
    with pytest.raises(UserError, match=r"www\.shop\.test"):
        site({**aliased, "routes": [*ROUTES, {"path": "/x", "service": "front", "host": "www.shop.test"}]})


def test_maintenance_keeps_all_out_but_the_named():
    text = rendered(replace(site(maintenance_allow=["10.1.2.3/8"]), maintenance=True))
    assert "10.0.0.0/8 0;" in text["sites/shop.conf"]
    assert "proxy_pass http://$to_shop_front;" in text["sites/shop.conf"]
    assert "upstream shop.503 {" in text["upstreams.conf"]
    assert "$to_" not in "".join(rendered(site()).values())


def test_ports_are_published_and_served():
    one = site(ports=[{"port": 1883, "service": "server"}, {"port": 8443, "service": "server", "target": 1}])
    text = rendered(one)["nginx.conf"]
    assert text.splitlines()[1] == "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"
    assert "server 10.0.0.2:1883;" in text
    assert "listen 18443;" in text
    assert '"1883:1883/tcp", "8443:18443/tcp"' in compose_file(EDGE, one.ports)
    assert not re.search(r"load_module|^stream", rendered(site())["nginx.conf"], re.M)
    with pytest.raises(UserError, match="no module stream"):
        rendered(one, NEWEST)
    with pytest.raises(UserError, match="port 1883 is taken by stack 'shop'"):
        check_beside(replace(one, name="blog", domains=("blog.test",)), {"shop": one})


@pytest.mark.parametrize(
    ("flags", "stream"),
    [
        ("--with-stream", "built in"),
        ("--with-stream --with-stream_ssl_module", "built in"),
        ("--modules-path=/m --with-stream_ssl_module --with-stream=dynamic", "/m/ngx_stream_module.so"),
        ("--with-stream_ssl_module", ""),
    ],
)
def test_the_stream_module_is_known_from_the_build(flags, stream):
    assert features_of(f"{BUILD}configure arguments: {flags}").stream == stream


def test_all_of_it_survives_json():
    one = site(
        users=USERS,
        access=[{"users": ["ann"], "allow": ["::1"]}, {"path": "/api", "forward_auth": FORWARD}],
        ports=[{"port": 1883, "service": "server", "allow": ["10.0.0.0/8"]}],
        cache={"paths": ["/assets/"]},
    )
    before = state(replace(one, maintenance=True))
    assert state_from_json(json.loads(before.to_json())) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "client_body_timeout 7s;",
        "location = /x { return 200 'a } b'; } # }",
        'add_header X-A "a;b";',
        'rewrite "^/(a|b){2}$" /c break;',
        "if ($args ~ x) { return 403; }",
        'set $x "${host}y"; set $y ${host};',
    ],
)
def test_directives_of_ones_own(text):
    check_extra(text, "extra")


@pytest.mark.parametrize(
    "text",
    [
        "}",
        "} server { listen 8443 ssl;",
        "location / {",
        "client_body_timeout 7s",
        "return 200 'a;",
        "return 200 'a'}b;",
        "include /etc/shadow;",
        "'include' /etc/shadow;",
        "location /x { include /etc/shadow; }",
        "listen 1;",
        "access_log /tmp/x;",
        "server_name other.test;",
        "a\\",
        "x;\0",
        "location /x { return 200 }",
        "; ;",
    ],
)
def test_what_leaves_its_place_is_refused(text):
    with pytest.raises(UserError, match="extra"):
        check_extra(text, "extra")
