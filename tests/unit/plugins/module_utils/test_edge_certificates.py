# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import certificates
from ansible_collections.sluice.deploy.plugins.module_utils.edge.keypairs import choose
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import site

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")
OWN = {"certificate": {"kind": "own"}}


def made(folder, *names, issuer=None):
    """A pair signed by an own CA, so that it is no placeholder."""
    run = lambda *argv: subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)  # noqa: E731
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *key, "-subj", "/CN=test ca", "-keyout", "ca.key", "-out", "ca.pem")
    alternative = ",".join(f"DNS:{name}" for name in names)
    run("req", *key, "-subj", "/CN=x", "-addext", f"subjectAltName={alternative}", "-keyout", "x.key", "-out", "x.csr")
    run("x509", "-req", "-in", "x.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copy", "-days", "30",
        "-out", "x.pem")  # fmt: skip
    return (folder / "x.pem").read_bytes(), (folder / "x.key").read_bytes()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return made(tmp_path_factory.mktemp("pair"), "shop.test", "*.blog.test")


def test_placeholder_is_a_pair_for_these_names():
    chain, key = certificates.self_signed(("shop.test", "www.shop.test"))
    certificates.check_pair(chain, key)
    found = certificates.facts(chain)
    assert found.names == ("shop.test", "www.shop.test")
    assert found.self_signed
    assert found.life_left(datetime.now(timezone.utc)) > 0.99


def test_facts(pair):
    found = certificates.facts(pair[0])
    assert found.issuer == "CN=test ca"
    assert not found.self_signed
    assert found.covers("shop.test")
    assert found.covers("a.blog.test")
    assert not found.covers("a.b.blog.test")
    assert not found.covers("blog.test")
    assert found.life_left(found.not_after) == 0


def test_own_certificate_that_serves(pair):
    assert choose(site(**OWN), pair, None, None) == pair


@pytest.mark.parametrize(
    ("chain", "key", "domains", "later", "message"),
    [
        ("own", "other", ["shop.test"], 0, "does not belong to the certificate"),
        ("own", "own", ["shop.test", "else.test"], 0, "does not cover else.test; it is for shop.test"),
        ("own", "own", ["shop.test"], 31, "expired on"),
        ("own", "own", ["shop.test"], -1, "valid only from"),
        ("empty", "own", ["shop.test"], 0, "needs both"),
        ("junk", "own", ["shop.test"], 0, "must be PEM"),
        ("own", "junk", ["shop.test"], 0, "must be PEM"),
    ],
)
def test_own_certificate_that_cannot_serve(pair, chain, key, domains, later, message):
    material = {
        "own": pair,
        "other": certificates.self_signed(("x.test",)),
        "junk": (b"junk",) * 2,
        "empty": (b"",) * 2,
    }
    with pytest.raises(UserError, match=f"nginx_certbot_own_certificate.*{message}"):
        certificates.check_own(
            material[chain][0], material[key][1], domains, datetime.now(timezone.utc) + timedelta(days=later)
        )


def test_certbots_pair_comes_before_the_present_one(pair):
    placeholder = certificates.self_signed(("shop.test",))
    assert choose(site(), None, pair, placeholder) == pair
    assert choose(site(), None, None, pair) == pair
    assert choose(site(), None, None, placeholder) == placeholder


def test_a_new_name_gets_a_placeholder_until_it_is_certified(pair):
    chosen = choose(site({"domain_aliases": ["new.test"]}), None, pair, pair)
    assert certificates.facts(chosen[0]).names == ("shop.test", "new.test")


def test_self_signed_for_good_leaves_a_certified_pair(pair):
    chosen = choose(site(certificate={"kind": "self_signed"}), None, pair, pair)
    assert certificates.facts(chosen[0]).self_signed
