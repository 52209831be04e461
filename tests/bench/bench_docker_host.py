"""docker_host over SSH on a fresh server, beside the same apt and file steps in one shell script.

Prints wall seconds and numbers of tasks. Both start from a fresh server and fetch the same packages.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SSH = [str(PROJECT / "tools/server"), "ssh", "debian13"]

PLAY = """
- hosts: debian13
  gather_facts: false
  roles: [{role: sluice.deploy.docker_host, vars: {docker_host_source: distribution}}]
"""

# What a careful administrator would do by hand for the same result.
BY_HAND = """
set -e
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends \
  docker.io docker-cli docker-compose docker-buildx nftables >/dev/null
mkdir -p /etc/docker /etc/sluice
cat >/etc/docker/daemon.json <<'END'
{"live-restore": true, "log-driver": "json-file", "log-opts": {"max-file": "3", "max-size": "10m"}}
END
dockerd --validate --config-file /etc/docker/daemon.json
systemctl restart docker
cat >/etc/sluice/firewall.nft <<'END'
table inet by_hand {
  chain input { type filter hook input priority filter; policy accept; tcp dport { 22, 80, 443 } accept; }
}
END
nft --file /etc/sluice/firewall.nft
printf '[Service]\\nExecStart=/usr/bin/docker image prune --force\\n' >/etc/systemd/system/prune.service
printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' >/etc/systemd/system/prune.timer
systemctl daemon-reload
systemctl enable --quiet --now prune.timer
until docker version >/dev/null; do sleep 0.1; done
"""


def fresh_server() -> None:
    subprocess.run([PROJECT / "tools/server", "up", "debian13", "trixie"], check=True, capture_output=True)
    subprocess.run([PROJECT / "tools/server", "reset", "debian13"], check=True, capture_output=True)


def play(path: str) -> tuple[float, int, int]:
    """Seconds, tasks that ran on the target, and tasks that changed something."""
    started = time.perf_counter()
    done = subprocess.run(
        ["ansible-playbook", "-i", PROJECT / "molecule/inventory", path],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    ok, changed = map(int, re.search(r"ok=(\d+)\s+changed=(\d+)", done.stdout).groups())
    return time.perf_counter() - started, ok, changed


def by_hand() -> float:
    started = time.perf_counter()
    subprocess.run([*SSH, "bash -s"], input=BY_HAND, text=True, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    fresh_server()
    floor = by_hand()
    floor_again = by_hand()
    fresh_server()
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(PLAY)
        file.flush()
        first = play(file.name)
        again = min(play(file.name) for _ in range(3))
    subprocess.run([PROJECT / "tools/server", "down"], check=True, capture_output=True)
    print(f"{'':24}{'role':>10}{'by hand':>10}{'ratio':>8}   tasks (changed)")
    print(f"{'first run, s':24}{first[0]:10.1f}{floor:10.1f}{first[0] / floor:8.2f}   {first[1]} ({first[2]})")
    print(
        f"{'run again, s':24}{again[0]:10.1f}{floor_again:10.1f}{again[0] / floor_again:8.2f}   {again[1]} ({again[2]})"
    )


if __name__ == "__main__":
    main()
