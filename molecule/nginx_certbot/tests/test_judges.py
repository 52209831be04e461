"""What others think of the edge: sslyze by Mozilla's profiles, and the MDN HTTP Observatory.

gixy-ng judges every nginx version's configuration in test_behaviour, testssl takes a minute and is in the benchmark.
"""

from __future__ import annotations

import json
import ssl

import pytest
from conftest import DOMAIN, own_pair
from judges import OBSERVATORY


@pytest.fixture(scope="module", autouse=True)
def colours(apps, shell):
    """Blue is the stub app, whose page has an inline script; green has the demo app's front."""
    apps.start("blue")
    apps.start("green")
    shell(
        "docker rm -f shop-green-front && docker run -d --name shop-green-front --network sluice-edge "
        "--network-alias shop-green-front --stop-timeout 1 local/sluice-demo-front:1"
    )
    yield
    apps.stop("green")
    apps.stop("blue")


@pytest.fixture
def sslyze(judges):
    def run(profile: str, roots: str = "/roots.pem", folder=None):
        argv = ["sslyze", f"--mozilla_config={profile}", f"--certinfo_ca_file={roots}", DOMAIN]
        return judges.ask(*argv, folder=folder)

    return run


@pytest.mark.parametrize("colour", ["blue", "green"])
def test_observatory(apps, judges, client, colour):
    apps.switch(colour)
    page = client.get("/").body
    assert (b"Demo CRM" in page) == (colour == "green")
    done = judges.ask(*OBSERVATORY, DOMAIN)
    verdict = json.loads(done.stdout)
    assert verdict.get("scan", {}).get("score", 0) >= 120, done.stdout + done.stderr
    assert verdict["scan"]["grade"] == "A+"


def test_sslyze_intermediate(sslyze):
    done = sslyze("intermediate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_sslyze_modern(converge, shell, sslyze, client, tmp_path):
    """With a pair of the user's own: the modern profile wants an ECDSA signature, and Pebble signs with RSA."""
    modern = {"nginx_certbot_tls_profile": "modern", "nginx_certbot_wait": False}
    pair = own_pair("/root/own", DOMAIN, f"www.{DOMAIN}")
    (tmp_path / "ca.pem").write_text(shell("cat /root/own/ca.pem").stdout)
    converge(nginx_certbot_certificate="own", nginx_certbot_own_certificate=pair, **modern)
    try:
        done = sslyze("modern", "/site/ca.pem", tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            client.connect(context=old)
    finally:
        converge()
