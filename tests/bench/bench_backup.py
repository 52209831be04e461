"""Backups beside tar and pg_dump by hand, what visitors notice of them, and a server back from nothing.

On the servers of molecule/backup once `molecule converge -s backup` has run. SLUICE_BENCH_VOLUME and
SLUICE_BENCH_DATABASE are megabytes of a volume and of a PostgreSQL database, 512 and 128 by default.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SCENARIO = PROJECT / "molecule/backup"
VOLUME, DATABASE = (
    int(os.environ.get(f"SLUICE_BENCH_{of}", size)) for of, size in (("VOLUME", 512), ("DATABASE", 128))
)
STATE = "/var/lib/sluice/stacks/crm"
SQL = "docker exec -i crm-postgres psql --username crm --quiet --no-align --tuples-only"
# Half of it repeats itself, as what people keep does.
FILES = """
set -eu
cd "$(docker volume inspect --format '{{.Mountpoint}}' crm_files)"
rm -rf bench && mkdir bench
head -c 1M /dev/urandom >/run/block
for n in $(seq %d); do { head -c 2M /dev/urandom; cat /run/block /run/block; } >bench/$n; done
chown -R 1000 bench
"""
ROWS = (
    "DROP TABLE IF EXISTS bench; CREATE TABLE bench AS SELECT n, md5(n::text) || repeat(md5((n / 7)::text), 29) AS text"
    " FROM generate_series(1, %d) n; CREATE TABLE IF NOT EXISTS later (n int); TRUNCATE later;"
)
TAR = "tar -C $(docker volume inspect --format '{{.Mountpoint}}' crm_files) -c . | gzip -1 >/root/by-hand.tar.gz"
DUMP = "docker exec crm-postgres pg_dump --username crm | gzip -1 >/root/by-hand.sql.gz"
ASK = """
import http.client, json, os, sys, time
took, lost = [], 0
while not os.path.exists("/run/asked"):
    begin = time.time()
    try:
        there = http.client.HTTPConnection(sys.argv[1], 8000, timeout=5)
        there.request("GET", "/")
        lost += there.getresponse().status != 200
    except OSError:
        lost += 1
    took.append(time.time() - begin)
    time.sleep(0.05)
print(json.dumps([lost, len(took), sorted(took)[int(len(took) * 0.99)] * 1000]))
"""


def ssh(command: str, stdin: str = "", server: str = "debian13") -> str:
    argv = [str(PROJECT / "tools/server"), "ssh", server, command]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def asked(command: str) -> tuple[float, int, int, float]:
    """Seconds of a command, and of the requests meanwhile: lost ones, all, and the 99th percentile in milliseconds."""
    address = ssh(
        "docker inspect --format '{{(index .NetworkSettings.Networks \"crm\").IPAddress}}' crm-blue-web"
    ).strip()
    ssh("cat >/root/ask.py; rm -f /run/asked", ASK)
    ssh(f"systemd-run --quiet --collect --unit asking sh -c 'python3 /root/ask.py {address} >/root/asked'")
    begin = time.monotonic()
    ssh(command)
    seconds = time.monotonic() - begin
    ssh("touch /run/asked; while systemctl is-active --quiet asking; do sleep 0.1; done")
    return (seconds, *json.loads(ssh("cat /root/asked")))


def main() -> None:
    ssh(FILES % (VOLUME // 4))
    ssh(SQL, ROWS % (DATABASE * 1000))
    url = f"rest:http://restic.internal:8000/bench-{time.time():.0f}"
    settings = json.loads(ssh(f"cat {STATE}/backup.json"))
    settings["keeping"] |= {"local": False, "repository": url}
    ssh("umask 077; cat >/root/bench.json", json.dumps(settings))
    backup = "/usr/local/lib/sluice/backup /root/bench.json backup"
    looks = {"nothing": "sleep 20", "first backup": backup, "second backup": backup}
    looks |= {"by hand, tar": TAR, "by hand, pg_dump": DUMP}
    print(f"{VOLUME} MB of files, {DATABASE} MB of database")
    print(f"{'':<28} {'seconds':>9} {'lost':>6} {'of':>6} {'p99 ms':>8}")
    found = {}
    for what, command in looks.items():
        found[what] = asked(command)
        print(f"{what:<28} {found[what][0]:>9.1f} {found[what][1]:>6d} {found[what][2]:>6d} {found[what][3]:>8.1f}")
    by_hand = found["by hand, tar"][0] + found["by hand, pg_dump"][0]
    for what in ("first backup", "second backup"):
        print(f"{what} beside both by hand: {found[what][0] / by_hand:.2f}")
    ssh("rm /root/by-hand.*")
    # What is written after the last backup is lost with the server, as a backup a night has it.
    ssh(SQL, "INSERT INTO later SELECT generate_series(1, 100)")
    begin = time.monotonic()
    inventories = ["-i", PROJECT / "molecule/inventory", "-i", SCENARIO / "files/inventory.yml", "--limit", "mirrored"]
    wishes = json.dumps({"compose_stack_backup_repository": url, "recover_over": True})
    argv = ["ansible-playbook", *inventories, "-e", f"@{SCENARIO}/vars/stack.yml", "-e", wishes, "--skip-tags"]
    done = subprocess.run(
        [*argv, "nginx_certbot", PROJECT / "playbooks/recover.yml"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seconds = time.monotonic() - begin
    rows = "SELECT (SELECT count(*) FROM bench), (SELECT count(*) FROM later)"
    there, here = ssh(SQL, rows, "mirrored").strip(), ssh(SQL, rows).strip()
    print(
        f"recovered on another server in {seconds:.1f} s (RTO); rows {there} of {here}: those since the backup are lost (RPO)"
    )


if __name__ == "__main__":
    main()
