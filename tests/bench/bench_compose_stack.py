"""A release under load, a release of one image, and a re-run that has nothing to do, each beside plain Compose.

Both deploy the demo CRM on one disposable server, behind the same nginx: plain Compose as demo/app/compose.yml with
`docker compose up --detach --wait`, its ports published on loopback. The load is bounded and the same for both.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SCENARIO = PROJECT / "molecule/compose_stack"
sys.path.insert(0, str(PROJECT / "demo"))

from load import Load, Stats  # noqa: E402

PLAIN = "cd /srv/plain && DEMO_VERSION={version} DEMO_SECRETS=/srv/plain/secrets docker compose up --detach --wait {service}"
SITE = """
map $http_upgrade $plain_upgrade { default upgrade; '' ''; }
server {
  listen 8081;
  proxy_http_version 1.1; proxy_buffering off;
  location / { proxy_pass http://127.0.0.1:3001; }
  location /api {
    proxy_pass http://127.0.0.1:3000;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $plain_upgrade;
  }
}
"""
DRAIN = 5


def ssh(command: str, stdin: str = "") -> str:
    argv = [str(PROJECT / "tools/server"), "ssh", "debian13", command]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def play(playbook: str, **settings: object) -> tuple[float, str]:
    """Seconds, and what was printed."""
    begin = time.perf_counter()
    environment = {**os.environ, "MOLECULE_PROJECT_DIRECTORY": str(PROJECT)}
    argv = [
        "ansible-playbook",
        "-i",
        PROJECT / "molecule/inventory",
        "--extra-vars",
        json.dumps(settings),
        SCENARIO / playbook,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - begin, done.stdout


def release(**settings: object) -> float:
    return play("converge.yml", stack_drain=DRAIN, **settings)[0]


def last_steps() -> dict[str, float]:
    """Seconds by step of the last release or rollback on record."""
    return json.loads(ssh("tail -n 1 /var/lib/sluice/stacks/crm/releases.jsonl"))["seconds"]


def before_switch(steps: dict[str, float], after: tuple[str, ...]) -> float:
    return sum(seconds for step, seconds in steps.items() if step not in after)


def plain(version: str, service: str = "") -> float:
    begin = time.perf_counter()
    ssh(PLAIN.format(version=version, service=service))
    return time.perf_counter() - begin


def prepare() -> None:
    subprocess.run([PROJECT / "tools/server", "up", "debian13", "trixie"], check=True, capture_output=True)
    play("prepare.yml")
    ssh("mkdir -p /srv/plain/secrets && cat > /srv/plain/compose.yml", (PROJECT / "demo/app/compose.yml").read_text())
    ssh("cat > /etc/nginx/conf.d/plain.conf && nginx -s reload", SITE)
    ssh(
        "cd /srv/plain/secrets && p=$(openssl rand -hex 16) && printf %s $p > pg_password"
        " && printf postgres://twenty:$p@postgres:5432/twenty > pg_database_url"
        " && openssl rand -hex 16 > app_secret && openssl rand -hex 16 > admin_password && chmod 444 *"
    )


def row(what: str, ours: float, peer: float, unit: str = "s") -> None:
    ratio = f"{ours / peer:.2f}" if peer else "-"
    print(f"{what:<44} {ours:>9.1f} {unit:<3} {peer:>9.1f} {unit:<3} {ratio:>6}")


def loaded(address: str, port: int, action) -> tuple[float, Stats]:
    with Load(address, port) as stats:
        seconds = action()
    return seconds, stats


def main() -> None:
    prepare()
    address = subprocess.check_output([PROJECT / "tools/server", "ip", "debian13"], text=True).strip()
    release()
    again, printed = play("converge.yml")
    tasks = re.search(r"ok=(\d+) +changed=0", printed)
    assert tasks, printed
    ours, with_load = loaded(address, 80, lambda: release(demo_version="2"))
    one = release(demo_version="2", demo_changes={"front": {"image": "local/sluice-demo-front:1"}})
    steps = last_steps()
    back = release(demo_version="2", compose_stack_state="rolled_back")
    way_back = last_steps()
    release(demo_version="1", stack_keep_warm="10m")
    warm = release(demo_version="1", stack_keep_warm="10m", compose_stack_state="rolled_back")
    warm_way_back = last_steps()
    # The other must not eat the processor meanwhile.
    ssh("docker stop $(docker ps --quiet) && sleep 1")
    plain("1")
    plain_again = plain("1")
    theirs, plain_load = loaded(address, 8081, lambda: plain("2"))
    plain_one = plain("1", "front")
    print(f"{'':<44} {'collection':>13} {'plain Compose':>13} {'ratio':>6}")
    row(f"release of a version under load (drain {DRAIN} s)", ours, theirs)
    row("  failed requests", len(with_load.failures), len(plain_load.failures), "")
    row("  requests", with_load.requests, plain_load.requests, "")
    row("  p99", with_load.p99, plain_load.p99, "ms")
    row(f"release that changes one image (drain {DRAIN} s)", one, plain_one)
    row("re-run with nothing to do", again, plain_again)
    print(f"{'  tasks on the target':<44} {int(tasks[1]):>9d}")
    print(f"{'overhead of a version, apart from the drain':<44} {ours - DRAIN - theirs:>9.1f} s")
    print(f"{'overhead of one image, apart from the drain':<44} {one - DRAIN - plain_one:>9.1f} s")
    print(f"{f'rollback (drain {DRAIN} s)':<44} {back:>9.1f} s")
    serves = back - sum(way_back[step] for step in ("drain", "record", "stop_old"))
    print(f"{'  of which until the former release serves':<44} {serves:>9.1f} s")
    print(f"{f'warm rollback (drain {DRAIN} s)':<44} {warm:>9.1f} s")
    after = ("hand_over", "drain", "record", "stop_old")
    print(f"{'  of which on the server, until it serves':<44} {before_switch(warm_way_back, after):>9.1f} s")
    print(f"{'  the same of the cold rollback':<44} {before_switch(way_back, after):>9.1f} s")
    print(f"steps of the release of one image: {steps}")
    print(f"steps of the rollback: {way_back}; of the warm one: {warm_way_back}")
    print(f"under load: {with_load}; plain Compose: {plain_load}")


if __name__ == "__main__":
    try:
        main()
    finally:
        subprocess.run([PROJECT / "tools/server", "down", "debian13"], check=True, capture_output=True)
