# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge.parse import check_beside
from ansible_collections.sluice.deploy.plugins.module_utils.edge.parse_host import parse_edge
from ansible_collections.sluice.deploy.plugins.module_utils.edge.site import Certificate
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import site

IMAGES = {"image": "nginx:1.30", "certbot_image": "certbot:5"}


@pytest.mark.parametrize(
    ("described", "settings", "message"),
    [
        ({"domain": ""}, {}, "stack_domain is missing"),
        ({"domain": "https://shop.test"}, {}, "not a domain name"),
        ({"domain": "localhost"}, {}, "has no dot"),
        ({"routes": []}, {}, "stack_routes is empty"),
        ({"routes": [{"path": "/", "service": "frnt"}]}, {}, "did you mean 'front'"),
        ({"routes": [{"path": "/", "service": "front", "rate_limit": "apu"}]}, {}, "did you mean 'api'"),
        ({"routes": [{"path": "/", "service": "front", "rate_limit": "10/s"}]}, {}, "is no rate"),
        ({"routes": [{"path": "/", "service": "front", "body_size": "big"}]}, {}, r"stack_routes\[0\].body_size"),
        ({}, {"rate_limits": {"api": "fast"}}, "nginx_certbot_rate_limits.api"),
        ({}, {"certificate": {}}, "nginx_certbot_email is missing"),
        ({}, {"certificate": {"email": "ops"}}, "is no address"),
        ({}, {"certificate": {"email": "--help@x.y"}}, "is no address"),
        ({}, {"certificate": {"email": "a@b.c", "directory": "http://ca.test"}}, "no https URL"),
        ({}, {"certificate": {"email": "a@b.c", "profile": "-x"}}, "nginx_certbot_profile"),
        ({}, {"certificate": {"email": "a@b.c", "dns_plugin": "a b"}}, "nginx_certbot_dns_plugin"),
        ({}, {"csp": "default-src $x"}, "dollar"),
        ({}, {"security_headers": {"X Y": "z"}}, "no name of a header"),
        ({}, {"security_headers": {"content-security-policy": "x"}}, "nginx_certbot_csp"),
        ({}, {"security_headers": {"X-Y": "a\nb"}}, "line breaks"),
        ({}, {"basic_auth": ["ann:password"]}, "hashed"),
        ({}, {"csp": "default-src 'self' " + "a.test " * 600}, "nginx_certbot_csp is longer than 3500 bytes"),
        ({}, {"rate_limits": {"a b": "1r/s"}}, "nginx_certbot_rate_limits: 'a b'"),
        ({}, {"certificate": {"email": "a@b.c", "ca_bundle": "/x:/etc"}}, "nginx_certbot_acme_ca_bundle"),
        ({"routes": [{"path": "/", "service": "front", "timeout": "12d"}]}, {}, r"stack_routes\[0\].timeout"),
        ({"routes": [{"path": "/", "service": "front", "timeout": float("inf")}]}, {}, r"stack_routes\[0\].timeout"),
        ({}, {"body_size": "huge"}, "nginx_certbot_body_size"),
        ({"domain_aliases": ["*.shop.test"]}, {}, r"\*\.shop\.test is a wildcard.*set nginx_certbot_dns_plugin"),
        ({"domain": "*.shop.test"}, {}, "is no name that can be opened.*under stack_domain_aliases"),
        ({"domain_aliases": ["*.test"]}, {}, "every name below a top-level domain"),
        ({"domain_aliases": ["a.*.shop.test"]}, {}, "is not a domain name"),
        ({"domain_aliases": ["**.shop.test"]}, {}, "is not a domain name"),
    ],
)
def test_mistakes_are_named(described, settings, message):
    with pytest.raises(UserError, match=message):
        site(described, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lead": "m1;x"}, "nginx_certbot_lead: 'm1;x' is neither"),
        ({"lead": "fe80::1%eth0"}, "nginx_certbot_lead"),
        ({"trusted_proxies": ["10.0.0.0/33"]}, "nginx_certbot_trusted_proxies"),
        ({"publish": ["eth0"]}, "nginx_certbot_publish"),
        ({"publish": ['fe80::1%"]\n    privileged: true']}, "nginx_certbot_publish"),
        ({"trusted_proxies": ["fe80::1%eth0;"]}, "nginx_certbot_trusted_proxies"),
        ({"image": "nginx\n    privileged: true"}, "nginx_certbot_image"),
        ({"certbot_image": "--privileged"}, "nginx_certbot_certbot_image"),
        ({"project": "a b"}, "nginx_certbot_project"),
        ({"network": "-x"}, "nginx_certbot_network"),
        ({"https_port": 70000}, "nginx_certbot_https_port"),
        ({"http_port": 443}, "choose two ports"),
    ],
)
def test_mistakes_of_the_whole_edge(settings, message):
    with pytest.raises(UserError, match=message):
        parse_edge({**IMAGES, **settings})


@pytest.mark.parametrize(
    ("path", "meaning"),
    [("/caf%C3%A9", "/café"), ("/a%20b", "/a b"), ("/", "/"), ("/x/", "/x/"), ("/a.b/..c", "/a.b/..c"), ("/%25", "/%")],
)
def test_a_path_is_compared_as_nginx_does(path, meaning):
    assert site({"routes": [{"path": path, "service": "front"}]}).routes[0].path == meaning


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("//x", "write /x"),
        ("/x//y/", "write /x/y/"),
        ("/x/../admin", "write /admin"),
        ("/x/.", "write /x/"),
        ("/..", "write /"),
        ("/%zz", "%25"),
        ("/%00", "UTF-8"),
        ("/%ff", "UTF-8"),
    ],
)
def test_a_path_that_no_request_has(path, message):
    with pytest.raises(UserError, match=rf"stack_routes\[0\].path: .*{message}\.?"):
        site({"routes": [{"path": path, "service": "front"}]})


def test_two_spellings_of_one_path():
    with pytest.raises(UserError, match=r"stack_routes\[1\].path means the same as that of stack_routes\[0\]"):
        site({"routes": [{"path": "/A", "service": "front"}, {"path": "/%41", "service": "server"}]})


@pytest.mark.parametrize("lead", ["", "192.0.2.1", "2001:db8::1", "m1", "m1.example.com"])
def test_the_lead_by_address_or_name(lead):
    assert parse_edge({**IMAGES, "lead": lead}).lead == lead


def test_edge_defaults():
    edge = parse_edge({**IMAGES, "publish": ["192.0.2.1"], "tls_profile": None})
    assert (edge.http_port, edge.https_port, edge.publish) == (80, 443, ("192.0.2.1",))
    assert edge.tls_profile == "intermediate"


def test_two_stacks_cannot_claim_one_name():
    first = site({"domain_aliases": ["www.shop.test"]})
    second = site({"name": "blog", "domain": "www.shop.test"})
    with pytest.raises(UserError, match=r"www\.shop\.test is served by stack 'shop'"):
        check_beside(second, {"shop": first})
    check_beside(first, {"shop": first})


def test_a_rate_in_place_of_a_name():
    limit = site({"routes": [{"path": "/", "service": "front", "rate_limit": "5r/m", "burst": 3}]}).routes[0].limit
    assert limit is not None
    assert (limit.zone, limit.rate, limit.burst) == ("5r.m", "5r/m", 3)


@pytest.mark.parametrize(
    "change", [{"directory": "https://other.test/"}, {"key_type": "rsa"}, {"profile": "tlsserver"}]
)
def test_what_makes_another_certificate(change):
    domains = ("a.test", "b.test")
    assert Certificate(**change).issued_as(domains) != Certificate().issued_as(domains)
    assert Certificate(email="other@x.y").issued_as(domains) == Certificate().issued_as(domains[::-1])
