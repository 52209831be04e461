"""The main job on a bare server, its re-run and the checks alone, beside what an administrator types, and what the
checks of many names cost the controller beside modules of Ansible's that do nothing.

The peer gets the same packages and images and starts the same app behind an nginx with a self-signed certificate:
no ACME, no gates, no firewall, no checks. Images are built beforehand; a server boots outside the clock.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import resource
import subprocess
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SERVER = PROJECT / "tools/server"
IMAGES = [f"local/sluice-{name}" for name in ("nginx:forky", "postgres:17", "redis:8", "demo-server:1", "demo-front:1")]
SSH = [str(SERVER), "ssh", "plain"]
# Servers of its own, or it would throw away those of `make demo`.
os.environ["SLUICE_LANE"] = "bench"
HOST = {"ansible_host": "demo", "demo_cache": str(PROJECT / ".cache/bench")}
# How many modules the checks send to a host; one, which looks at everything there.
MODULES = 1

INSTALL = """
set -e
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends \
  docker.io docker-cli docker-compose openssl curl >/dev/null
until docker version >/dev/null 2>&1; do sleep 0.1; done
"""
DEPLOY = """
set -e
mkdir -p /srv/secrets /srv/nginx
cd /srv/secrets
[ -f app_secret ] || { p=$(openssl rand -hex 16); printf %s $p >pg_password
  printf postgres://twenty:$p@postgres:5432/twenty >pg_database_url
  openssl rand -hex 16 >app_secret; openssl rand -hex 16 >admin_password; chmod 444 *; }
[ -f /srv/nginx/site.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
  -subj /CN=crm.demo.test -keyout /srv/nginx/site.key -out /srv/nginx/site.pem 2>/dev/null
cat >/srv/nginx/site.conf <<'END'
server { listen 443 ssl; ssl_certificate /etc/nginx/conf.d/site.pem; ssl_certificate_key /etc/nginx/conf.d/site.key;
  location / { proxy_pass http://127.0.0.1:3001; }
  location /api { proxy_pass http://127.0.0.1:3000; }
  location /graphql { proxy_pass http://127.0.0.1:3000; } }
END
cd /srv
DEMO_SECRETS=/srv/secrets docker compose --progress quiet up --detach --wait
[ "$(docker ps --quiet --filter name=^edge$)" ] || docker run --detach --quiet --name edge --network host \
  --volume /srv/nginx:/etc/nginx/conf.d:ro local/sluice-nginx:forky >/dev/null
until curl --silent --fail --insecure --output /dev/null https://127.0.0.1/api/health; do sleep 0.1; done
"""
ONE_LOOK = """
set -e
curl --silent --fail --insecure --output /dev/null https://127.0.0.1/api/health
curl --silent --fail --insecure --output /dev/null https://127.0.0.1/
DEMO_SECRETS=/srv/secrets docker compose --project-directory /srv ps >/dev/null
"""


def run(*argv: object, **options) -> str:
    done = subprocess.run(
        [str(word) for word in argv], check=False, capture_output=True, text=True, cwd=PROJECT, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def timed(*argv: object, **options) -> tuple[float, int]:
    """Seconds, and tasks that ran."""
    begun = time.perf_counter()
    told = run(*argv, **options)
    return time.perf_counter() - begun, sum(map(int, re.findall(r" ok=(\d+)", told)))


def by_hand(script: str) -> float:
    begun = time.perf_counter()
    run(*SSH, script)
    return time.perf_counter() - begun


def carry_images() -> None:
    saved = subprocess.Popen(["docker", "save", *IMAGES], stdout=subprocess.PIPE)
    run(*SSH, "docker load --quiet && mkdir -p /srv", stdin=saved.stdout)
    run(*SSH, "cat >/srv/compose.yml", input=(PROJECT / "demo/app/compose.yml").read_text())


def of_controller(count: int, playbook: object, *flags: str, **options) -> tuple[float, float]:
    """Seconds of the controller's CPU for each of so many names of the server, and MB of its largest process."""
    with tempfile.TemporaryDirectory() as directory:
        names = {f"name{number}": HOST for number in range(count)}
        inventory = pathlib.Path(directory) / "names.json"
        inventory.write_text(json.dumps({"compose": {"hosts": names}}))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(
            "ansible-playbook",
            playbook,
            "-i",
            "inventories/demo",
            "-i",
            inventory,
            "--limit",
            "name*",
            *flags,
            **options,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds / count, after.ru_maxrss / 1024


def many_names(settings: dict) -> None:
    """The checks over many names beside as many of Ansible's own modules, which do nothing."""
    # One burst would spoil the other names' looks at the same site.
    alone = ("--tags", "verify", "--extra-vars", '{"verify_rate_limit": {}, "verify_fail_on": "never"}')
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as peer:
        tasks = [{"ansible.builtin.ping": {}}] * MODULES
        json.dump([{"hosts": "compose", "gather_facts": False, "tasks": tasks}], peer)
        peer.flush()
        print(f"{'the controller, for each name':<32}{'CPU':>12}{'peer':>10}{'ratio':>8}{'largest process':>20}")
        for count in (1, 10, 50):
            ours, memory = of_controller(count, "playbooks/site.yml", *alone, **settings)
            theirs, _memory = of_controller(count, peer.name, **settings)
            print(f"checks of {count:<22}{ours:>10.2f} s{theirs:>8.2f} s{ours / theirs:>8.2f}{memory:>17.0f} MB")


def main() -> None:
    run("demo/images/edge/build")
    run("demo/images/build", "1")
    run(SERVER, "down", "demo", "pebble", "plain")
    run(SERVER, "up", "demo", "trixie", "plain", "trixie")
    play = ["ansible-playbook", "playbooks/site.yml", "-i", "inventories/demo"]
    settings = {"env": {**os.environ, "DEMO_ADDRESS": run(SERVER, "ip", "demo").strip()}}
    ours = {
        "bare server to HTTPS, verified": timed("tools/demo"),
        "the whole again": min(timed(*play, **settings) for _ in range(3)),
        "checks alone": min(timed(*play, "--tags", "verify", **settings) for _ in range(3)),
    }
    many_names(settings)
    # The other must not eat the processor meanwhile.
    run(SERVER, "down", "demo", "pebble")
    begun = time.perf_counter()
    by_hand(INSTALL)
    carry_images()
    by_hand(DEPLOY)
    first = time.perf_counter() - begun
    peers = (first, min(by_hand(DEPLOY) for _ in range(3)), min(by_hand(ONE_LOOK) for _ in range(3)))
    print(f"{'':<32}{'collection':>12}{'by hand':>10}{'ratio':>8}{'tasks':>8}")
    for (what, (seconds, tasks)), peer in zip(ours.items(), peers):
        print(f"{what:<32}{seconds:>10.1f} s{peer:>8.1f} s{seconds / peer:>8.2f}{tasks:>8}")


if __name__ == "__main__":
    try:
        main()
    finally:
        run(SERVER, "down", "demo", "pebble", "plain")
