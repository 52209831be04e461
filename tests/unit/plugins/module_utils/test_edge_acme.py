# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge.acme import (
    Refusal,
    container_argv,
    issue_argv,
    refusal,
    renew_argv,
)
from ansible_collections.sluice.deploy.plugins.module_utils.edge.attempts import Attempts, load, save
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, site

NOW = datetime(2026, 11, 23, 9, tzinfo=timezone.utc)
DIRECTORY = "https://ca.test/dir"

# As certbot prints it, 5.5 with Identifier in place of Domain.
CHALLENGE = """\
Saving debug log to /etc/letsencrypt/logs/letsencrypt.log
Requesting a certificate for shop.test

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: shop.test
  Type:   {type}
  Detail: {detail}

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            CHALLENGE.format(type="connection", detail="192.0.2.1: Timeout during connect"),
            ["could not check shop.test: 192.0.2.1: Timeout during connect", "port 80"],
        ),
        (
            CHALLENGE.format(type="dns", detail="NXDOMAIN looking up A for shop.test"),
            ["NXDOMAIN", "A and AAAA records"],
        ),
        (CHALLENGE.format(type="unauthorized", detail="Invalid response: 404"), ["404", "another server"]),
        (
            "An unexpected error occurred:\nError creating new order :: too many certificates (5) already issued, "
            "retry after 2026-11-24 10:11:12 UTC: see https://letsencrypt.org/docs/rate-limits/",
            ["rate limit", "too many certificates"],
        ),
        (
            "requests.exceptions.ConnectionError: Max retries exceeded: Connection refused",
            ["does not answer", DIRECTORY],
        ),
        ("Failed to resolve 'ca.test' ([Errno -2] Name or service not known)", ["does not answer"]),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]')) Max retries", ["ca_bundle"]),
        (
            "An unexpected error occurred:\nThe account is deactivated\nAsk for help or search",
            ["account is deactivated"],
        ),
        (
            "Failed to renew certificate shop with error: [Errno 28] No space left on device\n1 renew failure(s), 0 parse",
            ["No space left"],
        ),
        (
            CHALLENGE.format(type="connection", detail="connection refused").replace("Domain:", "Identifier:"),
            ["could not check shop.test: connection refused", "port 80"],
        ),
        # certbot 2.1, which Debian 12 has.
        (
            "usage: \n  certbot [SUBCOMMAND]\ncertbot: error: unrecognized arguments: --required-profile shortlived",
            ["knows no profiles", "nginx_certbot_certbot_image"],
        ),
        ("", ["no reason"]),
    ],
)
def test_refusals_in_plain_words(output, expected):
    reason = refusal(output, DIRECTORY).reason
    assert all(part in reason for part in expected), reason
    assert "\n" not in reason


def test_when_the_ca_wants_to_be_asked_again():
    told = refusal("too many failed authorizations, retry after 2026-11-24 10:11:12 UTC", DIRECTORY)
    assert told.retry_after == datetime(2026, 11, 24, 10, 11, 12, tzinfo=timezone.utc)


def test_argv_of_a_first_certificate():
    argv = issue_argv(site({"domain_aliases": ["www.shop.test"]}))
    assert argv[0] == "certonly"
    assert argv[-2:] == ["--domain=shop.test", "--domain=www.shop.test"]
    assert argv[argv.index("--key-type") + 1] == "ecdsa"
    assert "--webroot" in argv
    assert "--required-profile" not in argv


def test_argv_of_a_dns_challenge():
    certificate = {
        "email": "a@b.c",
        "dns_plugin": "rfc2136",
        "dns_propagation": 2,
        "key_type": "rsa",
        "profile": "shortlived",
    }
    argv = issue_argv(site(certificate=certificate))
    assert argv[argv.index("--dns-rfc2136-propagation-seconds") + 1] == "2"
    assert argv[argv.index("--required-profile") + 1] == "shortlived"
    assert argv[argv.index("--key-type") + 1] == "rsa"
    assert "--webroot" not in argv


def test_a_wildcard_is_asked_for_by_dns_without_the_names_that_it_stands_for():
    certificate = {"email": "a@b.c", "dns_plugin": "rfc2136"}
    routes = [{"path": "/", "service": "front"}, {"path": "/", "service": "front", "host": "admin.shop.test"}]
    wild = {"domain_aliases": ["*.SHOP.test", "shop.example"], "routes": routes}
    argv = issue_argv(site(wild, certificate=certificate))
    assert [word for word in argv if word.startswith("--domain=")] == [
        "--domain=shop.test",
        "--domain=*.shop.test",
        "--domain=shop.example",
    ]
    assert "--dns-rfc2136" in argv and "--webroot" not in argv


def test_route53_has_its_own_way_to_credentials():
    one = site(certificate={"email": "a@b.c", "dns_plugin": "route53"})
    argv = container_argv(EDGE, one, Path("/x"), issue_argv(one))
    assert "--dns-route53" in argv
    assert not any(word.startswith("--dns-route53-") for word in argv)
    assert "--env=AWS_SHARED_CREDENTIALS_FILE=/tmp/dns.ini" in argv
    assert "--volume=/x/dns/shop.ini:/tmp/dns.ini:ro" in argv


def test_certbot_is_confined_and_sees_no_engine():
    argv = container_argv(EDGE, site(), Path("/root"), renew_argv(site()))
    assert {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(argv)
    assert "docker.sock" not in " ".join(argv)
    assert argv[argv.index("certbot:5") + 1] == "renew"


def test_credentials_are_on_no_command_line():
    certificate = {"email": "a@b.c", "dns_plugin": "rfc2136", "dns_credentials": "topsecret"}
    one = site(certificate=certificate)
    assert "topsecret" not in " ".join(container_argv(EDGE, one, Path("/root"), issue_argv(one)))


def test_three_failures_an_hour_are_enough():
    attempts = Attempts()
    for minute in range(3):
        assert attempts.blocked_until(NOW + timedelta(minutes=minute)) is None
        attempts = attempts.failed(Refusal("no"), NOW + timedelta(minutes=minute))
    assert attempts.blocked_until(NOW + timedelta(minutes=3)) == NOW + timedelta(hours=1)
    assert attempts.blocked_until(NOW + timedelta(minutes=61)) is None


def test_notes_of_a_clock_that_was_wrong_block_nothing():
    later = NOW.replace(year=2040)
    attempts = Attempts()
    for _ in range(4):
        attempts = attempts.failed(Refusal("no", later + timedelta(days=1)), later)
    assert attempts.blocked_until(later)
    assert attempts.blocked_until(NOW) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"failures": ["soon"]}', '{"failures": [], "else": 1}'])
def test_a_spoilt_note_is_none(tmp_path, text):
    (tmp_path / "attempts").mkdir()
    (tmp_path / "attempts/shop.json").write_text(text)
    assert load(tmp_path, "shop") == Attempts()


def test_the_cas_own_word_counts_more():
    attempts = Attempts().failed(Refusal("limit", NOW + timedelta(days=2)), NOW)
    assert attempts.blocked_until(NOW + timedelta(days=1)) == NOW + timedelta(days=2)


def test_success_wipes_the_slate(tmp_path):
    attempts = Attempts().failed(Refusal("no"), NOW).succeeded({"domains": ["a"]})
    save(tmp_path, "shop", attempts)
    assert load(tmp_path, "shop") == attempts == Attempts(issued={"domains": ["a"]})


def test_a_failed_renewal_keeps_what_was_issued():
    assert Attempts(issued={"domains": ["a"]}).failed(Refusal("no"), NOW).issued == {"domains": ["a"]}
