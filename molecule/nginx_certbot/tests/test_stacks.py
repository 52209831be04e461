"""Several stacks on one edge, closed previews, and what a host may hold in store."""

from __future__ import annotations

import base64
import ssl

import pytest
from waiting import eventually

BLOG = {"stack_name": "blog", "stack_domain": "blog.test", "stack_domain_aliases": []}


@pytest.fixture(scope="module", autouse=True)
def blog(converge, apps, shell):
    apps.start("blue")
    apps.switch("blue")
    apps.start("green", "blog")
    converge(nginx_certbot_certificate="self_signed", nginx_certbot_wait=False, **BLOG)
    apps.switch("green", "blog")
    yield
    apps.stop("green", "blog")
    apps.stop("blue")
    converge(nginx_certbot_state="absent", **BLOG)


@pytest.fixture
def lenient(client):
    """The client, with trust in self-signed certificates."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    other = type(client)(client.address, None)
    other.trusting = context
    return other


def test_each_name_leads_to_its_stack(lenient):
    assert lenient.get("/api/x", host="blog.test", name="blog.test").json["colour"] == "green"
    assert lenient.get("/api/x").json["colour"] == "blue"


def test_a_claimed_name_is_refused(converge):
    claim = {**BLOG, "stack_name": "thief", "stack_domain": "www.shop.test"}
    output = converge(check=False, **claim).stdout
    assert "www.shop.test is served by stack 'shop' on this host already" in output


def test_removing_one_leaves_the_other(converge, lenient, apps):
    converge(nginx_certbot_state="absent", **BLOG)
    assert lenient.get("/api/x").json["colour"] == "blue"
    assert lenient.get("/", host="blog.test").status == 421
    converge(nginx_certbot_certificate="self_signed", nginx_certbot_wait=False, **BLOG)
    apps.switch("green", "blog")


def test_closed_preview(converge, lenient):
    converge(
        nginx_certbot_certificate="self_signed",
        nginx_certbot_wait=False,
        nginx_certbot_basic_auth={"ann": "battery staple"},
        **BLOG,
    )
    blog = {"host": "blog.test", "name": "blog.test"}
    basic = {"Authorization": "Basic " + base64.b64encode(b"ann:battery staple").decode()}
    closed = lenient.get("/api/x", **blog)
    assert (closed.status, closed.headers["x-content-type-options"]) == (401, "nosniff")
    wrong = {"Authorization": "Basic " + base64.b64encode(b"ann:wrong").decode()}
    refused = lenient.get("/api/x", headers=wrong, **blog)
    assert refused.status == 401
    assert "set-cookie" not in refused.headers
    assert lenient.get("/api/x", headers={"Authorization": "Bearer x"}, **blog).status == 401

    opened = lenient.get("/api/x", headers=basic, **blog)
    assert opened.status == 200
    assert "Authorization" not in opened.json["headers"]
    # From then on the app may use the Authorization header for itself.
    cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0], "Authorization": "Bearer of-the-app"}
    seen = lenient.get("/api/x", headers=cookie, **blog)
    assert seen.status == 200
    assert seen.json["headers"]["Authorization"] == "Bearer of-the-app"
    assert "sluice_preview" not in str(seen.json["headers"])
    assert lenient.get("/api/x").status == 200
    converge(nginx_certbot_certificate="self_signed", nginx_certbot_wait=False, **BLOG)
    assert lenient.get("/api/x", **blog).status == 200


def test_a_named_proxy_is_believed(converge, lenient):
    """And no more than it added itself: what stands before in the list, any client could have written."""

    def believed(forwarded: str) -> str:
        return lenient.get("/api/x", headers={"X-Forwarded-For": forwarded}).json["headers"]["X-Real-IP"]

    proxy = believed("203.0.113.7")
    assert proxy != "203.0.113.7"
    converge(nginx_certbot_trusted_proxies=[proxy])
    try:
        assert believed("203.0.113.7") == "203.0.113.7"
        assert believed("6.6.6.6, 203.0.113.7") == "203.0.113.7"
    finally:
        converge()


def test_a_taken_port_is_named(converge, shell):
    shell(
        "docker stop sluice-edge-nginx && docker run -d --name squatter -p 443:443 --entrypoint sleep local/sluice-certbot:forky 60"
    )
    try:
        output = converge(check=False).stdout
        assert "port 443 is taken by container squatter" in output
    finally:
        shell("docker rm -f squatter; docker start sluice-edge-nginx")


def test_a_configuration_that_nginx_refuses_changes_nothing(converge, lenient, shell):
    before = shell("readlink /etc/sluice/edge/conf/current").stdout
    # Of what the role accepts nothing is refused, so nginx is made blind to a file that every configuration includes.
    within = "nsenter --mount --target $(docker inspect --format '{{.State.Pid}}' sluice-edge-nginx)"
    shell(f"{within} mount -t tmpfs none /etc/nginx")
    try:
        output = converge(check=False, nginx_certbot_security_headers={"X-New": "yes"}).stdout
    finally:
        shell(f"{within} umount /etc/nginx")
    assert "nginx refuses the new configuration, the old one keeps serving" in output
    assert shell("readlink /etc/sluice/edge/conf/current").stdout == before
    assert lenient.get("/").status == 200


def test_reboot(converge, server, lenient, shell, apps):
    """Containers come back under other addresses; every name leads to its stack all the same, and who is under
    maintenance stays so until somebody ends it."""
    converge(nginx_certbot_certificate="self_signed", nginx_certbot_wait=False, nginx_certbot_maintenance=True, **BLOG)
    shell("docker update --restart unless-stopped $(docker ps -q)")
    server("reboot", "debian13")
    lenient.address = server("ip", "debian13")

    def colour(name: str) -> str | int:
        answer = lenient.get("/api/x", host=name, name=name)
        return answer.json["colour"] if answer.status == 200 else answer.status

    eventually(lambda: (colour("blog.test"), colour("shop.test")) == (503, "blue"), 60)
    apps.switch("green", "blog")
    assert colour("blog.test") == 503
    converge(nginx_certbot_certificate="self_signed", nginx_certbot_wait=False, nginx_certbot_maintenance=False, **BLOG)
    assert colour("blog.test") == "green"
