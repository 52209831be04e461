"""Directus with PostgreSQL and Redis, WordPress with MariaDB, and Django with Celery, in the form in which they are
published: explained, released, released again under load, and rolled back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import time

import pytest
from projects import PROJECT, serving

pytestmark = pytest.mark.long
testinfra_hosts = ["ssh://debian13"]
HERE = PROJECT / "molecule/compose_file"
NAMES = ("directus", "wordpress", "django")
PATHS = {"directus": "/server/ping", "wordpress": "/", "django": "/"}
IMAGES = {"directus": "directus/directus:11.1.0", "wordpress": "wordpress:6", "python": "python:3.13-slim"}
BUILD = ["docker", "buildx", "build", "--quiet", "--load", "--provenance=false"]
# Only needed, and only used, where a proxy inspects TLS.
BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
CA = ["--secret", f"id=ca,src={BUNDLE}"] if BUNDLE.exists() else []
PLANTED = f"a{hashlib.sha256(b'upstream').hexdigest()[:24]}"
INSTALL = (
    "curl -sS --fail --retry 60 --retry-delay 1 --retry-all-errors -o /dev/null {at}/wp-admin/install.php -H 'Host:"
    " wordpress.example.com' -H 'X-Forwarded-Proto: https' && curl -sS --fail -o /dev/null {at}/wp-admin/install.php?step=2"
    " -H 'Host: wordpress.example.com' -H 'X-Forwarded-Proto: https' --data 'weblog_title=Kept&user_name=admin&pw_weak=1"
    "&admin_password=a-long-one-7&admin_password2=a-long-one-7&admin_email=a@example.com'"
)


def play(name: str, **settings: object) -> str:
    argv = ["ansible-playbook", "-i", HERE / "upstream", f"playbooks/{name}.yml", "--skip-tags", "docker_host,verify"]
    argv += ["-e", json.dumps({"planted": PLANTED, **settings})]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def images(host, server):
    """Each in two versions, which differ in a label."""
    for name in IMAGES:
        for version in ("1", "2"):
            label = ["--label", f"version={version}", "--tag", f"local/{name}:{version}"]
            subprocess.run([*BUILD, *CA, *label, HERE / "images" / name], check=True, capture_output=True)
    subprocess.run([*BUILD, "--tag", "local/sluice-mariadb:11", PROJECT / "demo/images/mariadb"], check=True)
    tags = " ".join(f"local/{name}:{version}" for name in IMAGES for version in ("1", "2"))
    data = "local/sluice-postgres:17 local/sluice-mariadb:11"
    ssh = f"{PROJECT}/tools/server ssh debian13 'docker load --quiet'"
    subprocess.run(["bash", "-o", "pipefail", "-c", f"docker save {tags} {data} | {ssh}"], check=True)
    for theirs, ours in (("postgres:17", "postgres:17"), ("mariadb:11", "mariadb:11"), ("redis:8", "redis:8")):
        host.check_output(f"docker tag local/sluice-{ours} {theirs}")
    name_as(host, "1")
    # What the trials before this one left at the ports.
    host.check_output("systemctl disable --now nginx; cd /srv/old && docker compose down --timeout 1 2>&1")


def name_as(host, version: str) -> None:
    for name, tag in IMAGES.items():
        host.check_output(f"docker tag local/{name}:{version} {tag}")


@pytest.fixture(scope="module")
def released(host, images):
    """From nothing."""
    explained = play("explain")
    play("site")
    host.check_output(
        INSTALL.format(at="-k --resolve wordpress.example.com:443:127.0.0.1 https://wordpress.example.com")
    )
    return explained


def asked(address: str, host, name: str) -> str:
    site = f"{name}.example.com"
    return host.check_output(f"curl -skS --fail --resolve {site}:443:127.0.0.1 https://{site}{PATHS[name]}")


def under_load(address: str, load_of, action) -> None:
    """Something is done while all three are asked, and no request is lost."""
    with contextlib.ExitStack() as stack:
        loads = {n: stack.enter_context(load_of(address, f"{n}.example.com", PATHS[n])) for n in NAMES}
        action()
    print({name: (load.answered, len(load.lost)) for name, load in loads.items()})
    assert not {name: load.lost for name, load in loads.items() if load.lost}


def test_all_is_explained_and_released(address, host, released):
    told = re.sub(r"\s+", " ", released)
    for kind in ("database data", "directus web", "db data", "migrate job", "beat worker", "worker worker"):
        assert kind in told
    assert "ADMIN_PASSWORD: this secret stands in clear" in told
    assert "Kept" in asked(address, host, "wordpress")
    assert asked(address, host, "directus") == "pong"
    assert json.loads(asked(address, host, "django"))["version"] == "1"


def test_a_second_release_and_the_way_back_lose_no_request(address, host, released, load_of, tmp_path):
    before = {name: serving(host, name)["current"] for name in NAMES}
    second = tmp_path / "django"
    shutil.copytree(HERE / "projects/django", second)
    (second / "shop/site.py").write_text((second / "shop/site.py").read_text().replace('"1"', '"2"'))
    name_as(host, "2")
    under_load(address, load_of, lambda: play("site", django=str(second)))
    assert {serving(host, name)["current"]["colour"] for name in NAMES} == {"green"}
    first = json.loads(asked(address, host, "django"))
    assert first["version"] == "2"
    time.sleep(3)
    more = json.loads(asked(address, host, "django"))["ticks"] - first["ticks"]
    assert 1 <= more <= 6, "a beat and a worker of the new release, and none of the old"
    under_load(address, load_of, lambda: play("rollback"))
    assert {name: serving(host, name)["current"] for name in NAMES} == before
    assert json.loads(asked(address, host, "django"))["version"] == "1"
    assert "Kept" in asked(address, host, "wordpress")
