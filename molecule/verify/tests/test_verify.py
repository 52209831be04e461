"""Each check broken on purpose on a real nginx and real containers: it fails, and no other."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(PROJECT / ".collections"))

from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.login import Login  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.model import Target  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.probe import Wishes, probe  # noqa: E402

testinfra_hosts = ["ssh://debian13"]
MADE = PROJECT / ".cache/verify"
CONF = "/etc/nginx/conf.d/crm.conf"
QUERY = "mutation L($e: String!, $p: String!) { login(email: $e, password: $p) { accessToken } }"


def secret(name):
    return (MADE / "secrets" / name).read_text()


@pytest.fixture(scope="module")
def address(server):
    return server("ip", "debian13")


def look(address, ports=(3000, 3001, 5432)):
    step = {
        "path": "/graphql",
        "query": QUERY,
        "variables": {"e": "admin@demo.example", "p": "${password}"},
        "token": "data.login.accessToken",
    }
    return probe(
        Wishes(
            target=Target("crm.example.com", resolve_to=address, ca_file=str(MADE / "ca.pem")),
            login=Login([step], {"password": secret("admin_password")}),
            headers={"X-Content-Type-Options": "^nosniff$", "X-Frame-Options": "^SAMEORIGIN$"},
            health=[{"path": "/api/health", "expect": {"status": "ok", "info.database.status": "up"}}],
            front={"path": "/"},
            rate_limit={"path": "/api/version", "requests": 150},
            closed_ports=ports,
        )
    )


def failed(results):
    return {result["id"] for result in results if result["status"] == "fail"}


def explain(results):
    return json.dumps([result for result in results if result["status"] != "pass"], indent=1)


@contextlib.contextmanager
def nginx_with(host, edit):
    """nginx with its configuration changed by a sed script, and as it was afterwards."""
    apply = "sed -E %s /root/crm.conf >%s && nginx -t && systemctl reset-failed nginx && systemctl restart nginx"
    assert host.run("test -f /root/crm.conf || cp %s /root/crm.conf", CONF).rc == 0
    try:
        done = host.run(apply, edit, CONF)
        assert done.rc == 0, done.stdout + done.stderr
        yield
    finally:
        assert host.run(apply, "", CONF).rc == 0


def test_the_main_job_looks_at_what_it_did_not_deploy_and_changes_nothing(host, tmp_path):
    state = "docker ps --all --no-trunc --format '{{.ID}} {{.State}}'; docker images --quiet; dpkg-query --show; ls -R /etc /root"
    before = host.check_output(state)
    (tmp_path / "group.yml").write_text("compose: {hosts: {debian13: }}\n")
    settings = {"project": str(PROJECT), "verify_projects": [], "verify_edge_switch": []}
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            "molecule/inventory",
            "-i",
            tmp_path / "group.yml",
            "--tags",
            "verify",
            "--extra-vars",
            "@molecule/verify/vars/settings.yml",
            "--extra-vars",
            json.dumps(settings),
            "playbooks/site.yml",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"^All \d+ checks passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert re.search(r"^debian13 .* changed=0 ", done.stdout, re.MULTILINE), done.stdout
    assert host.check_output(state) == before


def test_nothing_fails_as_deployed(host, address):
    results = look(address)
    assert failed(results) == set(), explain(results)


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        ("/X-Frame-Options/d", "site.headers"),
        (r"s/\$request_uri//", "site.redirect"),
        ("s/http2 on/http2 off/", "site.http2"),
        ("s/site.pem/expired.pem/", "tls.expiry"),
        ("s/TLSv1.2 TLSv1.3/TLSv1 TLSv1.1 TLSv1.2 TLSv1.3/; s/^ssl_ciphers.*/ssl_ciphers ALL:!aNULL:@SECLEVEL=0;/", "tls.protocols"),
        ("s/limit_req zone=api burst=20 nodelay;//", "site.rate_limit"),
        ("s/limit_req_status 429/limit_req_status 503/", "site.rate_limit"),
        ("s/location .api .*/location = \\/api\\/health { proxy_pass http:\\/\\/127.0.0.1:3001; }/", "site.health.api_health"),
        ("s/(location .graphql).*/\\1 { return 403; }/", "site.login"),
        ("s|^(  location / ).*|\\1 { return 200 maintenance; }|", "site.front"),
        ("s/^  server_name crm.example.com;/  server_name crm.example.com sluice-verify.invalid;/", "site.foreign_host"),
    ],
)  # fmt: skip
def test_one_fault_fails_one_check(edit, check, host, address):
    with nginx_with(host, edit):
        results = look(address)
    assert failed(results) == {check}, explain(results)


def test_an_open_port_fails_its_check(address):
    results = look(address, ports=[5432, 22])
    assert failed(results) == {"site.ports"}, explain(results)


def converge(*words):
    return subprocess.run(
        ["ansible-playbook", "-i", PROJECT / "molecule/inventory", PROJECT / "molecule/verify/converge.yml", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )


COMPOSE = (
    "DEMO_SECRETS=/etc/crm/secrets DEMO_URL=https://crm.example.com DEMO_VERSION={} docker compose --progress quiet"
)
FAT = "FROM local/sluice-demo-front:1\\nUSER root\\nRUN head -c 400000000 /dev/zero >/fat\\nUSER 1000\\n"


def front(host, version):
    up = f"{COMPOSE.format(version)} --file /etc/crm/compose.yml up --detach --wait --no-deps front"
    done = host.run(up)
    assert done.rc == 0, done.stdout + done.stderr


def test_a_fat_image_fails_the_play_and_no_secret_is_told(host):
    done = host.run(f"printf '{FAT}' | docker build --quiet --tag local/sluice-demo-front:fat -")
    assert done.rc == 0, done.stdout + done.stderr
    front(host, "fat")
    containers = "docker ps --quiet --no-trunc | sort"
    before = host.check_output(containers)
    try:
        done = converge("-vvv", "--diff")
        assert host.check_output(containers) == before
    finally:
        front(host, "1")
    told = done.stdout + done.stderr
    assert done.returncode != 0
    assert "1 check failed: image_size.front" in told, told[-4000:]
    pages = [path.read_text() for path in (MADE / "report").iterdir()]
    assert len(pages) == 4
    for name in ("admin_password", "app_secret", "pg_password"):
        assert not [text for text in (told, *pages) if secret(name) in text], name
