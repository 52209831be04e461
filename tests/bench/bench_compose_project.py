"""From the clone of a Compose project to HTTPS 200 on a bare server, with four settings written, beside
`git clone && docker compose up --detach` by hand, which ends at HTTP 200.

Both servers get the same packages and images within the time, and boot outside of it. The peer has no certificate, no
gates, no firewall, and its next release has a gap.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import tempfile
import time

from bench_site import INSTALL, PROJECT, SERVER, run

IMAGES = ("local/sluice-app:1", "local/sluice-redis:8", "local/sluice-nginx:forky")
# The project names images as somebody's registry has them.
NAMED = "docker tag local/sluice-redis:8 local/redis:8 && docker tag local/sluice-nginx:forky local/nginx:1"
UP = """
set -e
git clone --quiet /srv/old.git /srv/old
cd /srv/old
docker compose --progress quiet up --detach
until curl --silent --fail --output /dev/null http://127.0.0.1/; do sleep 0.1; done
"""
SITE = "old.example.com"


def carry(server: str) -> None:
    with subprocess.Popen(["docker", "save", *IMAGES], stdout=subprocess.PIPE) as saved:
        run(SERVER, "ssh", server, f"docker load --quiet && {NAMED}", stdin=saved.stdout)


def repository(place: pathlib.Path) -> pathlib.Path:
    bare = place / "old.git"
    tree = ("--work-tree", PROJECT / "molecule/compose_file/projects/old")
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
    run("git", "init", "--quiet", "--bare", bare)
    run("git", "--git-dir", bare, *tree, "add", "--all")
    run("git", "--git-dir", bare, *tree, *who, "commit", "--quiet", "--message", "first")
    return bare


def ours(bare: pathlib.Path, place: pathlib.Path) -> dict[str, float]:
    config = run(SERVER, "config").strip()
    written = {
        "stack_name": "old",
        "stack_domain": SITE,
        "stack_compose": {"directory": "old"},
        "stack_routes": [{"path": "/", "service": "web"}],
    }
    # The server, and what stands in for a registry and for a CA that know it.
    around = {
        "ansible_host": "ours",
        "ansible_user": "root",
        "ansible_ssh_common_args": f"-F {config}",
        "docker_host_source": "distribution",
        "nginx_certbot_image": "local/nginx:1",
        "nginx_certbot_certificate": "self_signed",
    }
    inventory = place / "hosts.json"
    inventory.write_text(json.dumps({"compose": {"hosts": {"old": written | around}}}))
    play = ("ansible-playbook", "playbooks/site.yml", "-i", inventory)
    moments = [time.perf_counter()]
    run("git", "clone", "--quiet", bare, place / "old")
    run(*play, "--tags", "docker_host")
    moments.append(time.perf_counter())
    carry("ours")
    moments.append(time.perf_counter())
    run(*play, "--skip-tags", "docker_host,verify")
    asked = f"curl --silent --fail --insecure --output /dev/null --resolve {SITE}:443:127.0.0.1 https://{SITE}/"
    run(SERVER, "ssh", "ours", f"until {asked}; do sleep 0.1; done")
    moments.append(time.perf_counter())
    return parts(moments)


def by_hand(bare: pathlib.Path) -> dict[str, float]:
    with subprocess.Popen(["tar", "-C", bare.parent, "-c", bare.name], stdout=subprocess.PIPE) as packed:
        run(SERVER, "ssh", "plain", "tar -C /srv --no-same-owner -x", stdin=packed.stdout)
    moments = [time.perf_counter()]
    run(SERVER, "ssh", "plain", INSTALL.replace("openssl", "openssl git"))
    moments.append(time.perf_counter())
    carry("plain")
    moments.append(time.perf_counter())
    run(SERVER, "ssh", "plain", UP)
    moments.append(time.perf_counter())
    return parts(moments)


def parts(moments: list[float]) -> dict[str, float]:
    names = ("the engine", "its images", "project to 200")
    seconds = {name: after - before for name, before, after in zip(names, moments, moments[1:])}
    return {**seconds, "all": moments[-1] - moments[0]}


def main() -> None:
    run("demo/images/edge/build", "nginx:forky")
    run("demo/images/build", "1")
    app = PROJECT / "molecule/compose_file/app"
    run("docker", "build", "--quiet", "--build-arg", "VERSION=1", "--tag", IMAGES[0], app)
    run(SERVER, "down", "ours", "plain")
    run(SERVER, "up", "ours", "trixie", "plain", "trixie")
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        bare = repository(place)
        mine, theirs = ours(bare, place), by_hand(bare)
    print(f"{'':<24}{'collection':>12}{'by hand':>12}{'ratio':>8}")
    for what, seconds in mine.items():
        print(f"{what:<24}{seconds:>10.1f} s{theirs[what]:>10.1f} s{seconds / theirs[what]:>8.2f}")


if __name__ == "__main__":
    try:
        main()
    finally:
        run(SERVER, "down", "ours", "plain")
