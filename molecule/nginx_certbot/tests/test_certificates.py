"""Certificates from a real CA over a whole life: first, due, revoked, refused; with the CA there and away."""

from __future__ import annotations

import json
import re
import socket
import ssl

import pytest
from conftest import own_pair
from cryptography import x509

ACME = "/etc/sluice/edge/acme"
CERTBOT = (
    f"docker run --rm --network sluice-edge -u 65532:65532 -v {ACME}:/etc/letsencrypt -v /etc/ssl/pebble.pem:/ca.pem:ro"
)
CERTBOT += " -e REQUESTS_CA_BUNDLE=/ca.pem --tmpfs /tmp --entrypoint certbot local/sluice-certbot:forky"
CERTBOT += " --config-dir /etc/letsencrypt --work-dir /etc/letsencrypt/work --logs-dir /etc/letsencrypt/logs"


@pytest.fixture
def served(address):
    """The certificate that the edge shows for a name."""

    def look(name: str = "shop.test") -> x509.Certificate:
        return x509.load_pem_x509_certificate(_shown(address, name).encode())

    return look


def _shown(address: str, name: str) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address, 443), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=name) as tls,
    ):
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))


@pytest.fixture
def ca_away(shell):
    """Pebble out of reach; back afterwards."""
    shell("docker network disconnect sluice-edge pebble")
    yield lambda: shell(
        "docker network connect --alias pebble --alias pebble-staging sluice-edge pebble 2>/dev/null || true"
    )
    shell("docker network connect --alias pebble --alias pebble-staging sluice-edge pebble", check=False)


def maintain(shell, check=True):
    return shell("/usr/local/lib/sluice/edge-switch certificates", check=check)


def orders(shell) -> int:
    return shell("docker logs pebble 2>&1").stdout.count("POST /order-plz")


def make_due(shell) -> None:
    """As if 6 hours had passed since certbot asked the CA: what it heard then is stale."""
    shell(f"sed -i '/ari_retry_after/d' {ACME}/renewal/shop.conf")


def test_the_chain_is_trusted_and_ecdsa(client, served):
    client.get("/")  # The client trusts Pebble's root and nothing else.
    assert served().public_key().curve.name == "secp256r1"
    names = served().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"shop.test", "www.shop.test"}


def test_a_second_run_changes_nothing_and_asks_no_ca(converge, shell):
    shell("/usr/local/lib/sluice/edge-switch refresh")
    before = shell("docker logs pebble 2>&1 | wc -l").stdout
    generation = shell("readlink /etc/sluice/edge/conf/current").stdout
    assert re.search(r"changed=0 .*failed=0", converge().stdout)
    assert shell("docker logs pebble 2>&1 | wc -l").stdout == before
    assert shell("readlink /etc/sluice/edge/conf/current").stdout == generation


def test_check_mode_changes_nothing(converge, shell):
    before = shell("find /etc/sluice -printf '%p %T@\n' | sort").stdout
    output = converge(nginx_certbot_body_size="3MiB", arguments=["--check", "--diff"]).stdout
    assert "+ client_max_body_size 3145728;" in output
    assert shell("find /etc/sluice -printf '%p %T@\n' | sort").stdout == before


def test_a_certificate_that_is_not_due_stays(shell, served):
    before = served().serial_number
    maintain(shell)
    assert served().serial_number == before


def test_ari_forces_a_renewal(shell, served, client):
    before = served().serial_number
    make_due(shell)
    shell(
        "docker run --rm --network sluice-edge -v /root/ca.py:/ca.py:ro "
        f"-v $(readlink -f {ACME}/live/shop/fullchain.pem):/live.pem:ro "
        "--entrypoint python3 local/sluice-certbot:forky /ca.py /live.pem"
    )
    maintain(shell)
    assert served().serial_number != before
    client.get("/")


def test_a_revoked_certificate_is_replaced(shell, served, client):
    before = served().serial_number
    shell(
        f"{CERTBOT} revoke --non-interactive --no-delete-after-revoke --reason keycompromise "
        "--cert-name shop --server https://pebble:14000/dir"
    )
    make_due(shell)
    maintain(shell)
    assert served().serial_number != before
    client.get("/")


def test_ca_away_at_a_renewal(shell, served, client, ca_away):
    before = served().serial_number
    shell(f"sed -i '1i renew_before_expiry = 3000 days' {ACME}/renewal/shop.conf")
    try:
        done = maintain(shell, check=False)
        assert done.returncode == 1
        assert "shop: the CA does not answer at https://pebble:14000/dir" in done.stderr
        assert served().serial_number == before
        client.get("/")
        ca_away()
        maintain(shell)
        assert served().serial_number != before
    finally:
        shell(f"sed -i '/renew_before_expiry/d' {ACME}/renewal/shop.conf")


def test_a_failed_renewal_fails_its_unit(shell, ca_away):
    shell(f"sed -i '1i renew_before_expiry = 3000 days' {ACME}/renewal/shop.conf")
    try:
        assert shell("systemctl start sluice-edge-certificates", check=False).returncode == 1
        assert shell("systemctl is-failed sluice-edge-certificates").stdout.strip() == "failed"
    finally:
        shell(f"sed -i '/renew_before_expiry/d' {ACME}/renewal/shop.conf")
        ca_away()
        shell("systemctl start sluice-edge-certificates")


BLOG = {"stack_name": "blog", "stack_domain": "blog.test", "stack_domain_aliases": []}


def test_ca_away_at_first(converge, shell, served, client, ca_away):
    output = converge(check=False, **BLOG).stdout
    assert "blog has no certificate: the CA does not answer at https://pebble:14000/dir" in output
    assert "self-signed one keeps serving" in output
    assert served("blog.test").issuer == served("blog.test").subject
    ca_away()
    converge(**BLOG)
    client.get("/", host="blog.test", name="blog.test")


def test_a_ca_is_not_asked_over_and_over(converge, shell, ca_away):
    elsewhere = {"stack_name": "lost", "stack_domain": "elsewhere.test", "stack_domain_aliases": []}
    ca_away()
    try:
        for _ in range(3):
            output = converge(check=False, **elsewhere).stdout
            assert "the CA could not check elsewhere.test" in output
            assert "port 80 of this host must be reachable" in output
        before = orders(shell)
        assert "The CA is asked again from" in converge(check=False, **elsewhere).stdout
        assert orders(shell) == before
    finally:
        converge(nginx_certbot_state="absent", **elsewhere)


def test_other_names_key_and_ca_replace_the_certificate(converge, served):
    first = served("blog.test")
    converge(nginx_certbot_acme_directory="https://pebble-staging:14000/dir", nginx_certbot_key_type="rsa", **BLOG)
    second = served("blog.test")
    assert second.serial_number != first.serial_number
    assert second.public_key().key_size == 3072
    converge(**{**BLOG, "stack_domain_aliases": ["www.blog.test"]})
    names = served("blog.test").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "www.blog.test" in names.get_values_for_type(x509.DNSName)


def test_profiles(converge, served):
    converge(nginx_certbot_profile="shortlived", **BLOG)
    shown = served("blog.test")
    assert (shown.not_valid_after_utc - shown.not_valid_before_utc).days in (5, 6)
    output = converge(check=False, nginx_certbot_profile="shortlife", **BLOG).stdout
    assert "shortlife" in output
    assert served("blog.test").serial_number == shown.serial_number


def test_dns_challenge(converge, shell, served, client):
    server = shell("docker inspect -f '{{(index .NetworkSettings.Networks \"sluice-edge\").IPAddress}}' pebble").stdout
    key = shell("docker exec pebble sh -c 'echo $UPDATE_KEY'").stdout.strip()
    credentials = f"dns_rfc2136_server = {server.strip()}\ndns_rfc2136_name = update\n"
    credentials += f"dns_rfc2136_secret = {key}\ndns_rfc2136_algorithm = HMAC-SHA256\n"
    dns = {"nginx_certbot_dns_plugin": "rfc2136", "nginx_certbot_dns_credentials": credentials}
    before = served("blog.test").serial_number
    done = converge(nginx_certbot_dns_propagation=2, nginx_certbot_key_type="rsa", **dns, **BLOG)
    assert served("blog.test").serial_number != before
    client.get("/", host="blog.test", name="blog.test")
    assert "authenticator = dns-rfc2136" in shell(f"cat {ACME}/renewal/blog.conf").stdout
    assert key not in done.stdout


def test_own_certificate(converge, shell, served):
    settings = {"nginx_certbot_certificate": "own", "nginx_certbot_wait": False, **BLOG}
    pair, other = own_pair("/root/own", "blog.test"), own_pair("/root/other", "other.test")
    converge(nginx_certbot_own_certificate=pair, **settings)
    assert served("blog.test").subject.rfc4514_string() == "CN=own"
    mixed = {"certificate": pair["certificate"], "key": other["key"]}
    output = converge(check=False, nginx_certbot_own_certificate=mixed, **settings).stdout
    assert "private key does not belong to the certificate" in output
    output = converge(check=False, nginx_certbot_own_certificate=other, **settings).stdout
    assert "does not cover blog.test" in output
    assert other["key"].splitlines()[1] not in output
    assert served("blog.test").subject.rfc4514_string() == "CN=own"


def test_an_alert_for_a_certificate_near_its_end(shell, converge):
    """Made with most of its life behind it: openssl's ca command can date it back."""
    script = """
      rm -rf /root/old && mkdir /root/old && cd /root/old && touch index.txt && echo 01 > serial
      printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\npolicy=p\ndefault_md=sha256\n' > ca.conf
      printf 'copy_extensions=copy\n[p]\ncommonName=supplied\n' >> ca.conf
      key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
      openssl req -x509 $key -subj /CN=ca -keyout ca.key -out ca.pem
      openssl req $key -subj /CN=own -addext subjectAltName=DNS:blog.test -keyout key.pem -out x.csr
      openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in x.csr -out cert.pem -notext \
        -startdate $(date -u -d '-80 days' +%Y%m%d%H%M%SZ) -enddate $(date -u -d '+10 days' +%Y%m%d%H%M%SZ)
    """
    shell(f"{{ {script} }} >/dev/null 2>/root/old.log || {{ cat /root/old.log; exit 1; }}")
    pair = {"certificate": shell("cat /root/old/cert.pem").stdout, "key": shell("cat /root/old/key.pem").stdout}
    settings = {"nginx_certbot_certificate": "own", "nginx_certbot_wait": False, **BLOG}
    converge(nginx_certbot_own_certificate=pair, **settings)
    done = maintain(shell, check=False)
    assert done.returncode == 1
    assert "blog: the certificate ends in 10.0 days" in done.stderr
    assert "blog: the certificate ends in" in shell("cat /etc/sluice/edge/ALERT").stdout
    converge(nginx_certbot_state="absent", **BLOG)
    maintain(shell)
    assert shell("test -e /etc/sluice/edge/ALERT", check=False).returncode == 1


def test_no_container_holds_the_engine(shell):
    ids = shell("docker ps -q").stdout.split()
    mounts = json.loads(shell(f"docker inspect {' '.join(ids)}").stdout)
    assert not [m["Source"] for c in mounts for m in c["Mounts"] if "docker.sock" in m["Source"]]
