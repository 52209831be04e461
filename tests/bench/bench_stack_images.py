"""Images carried to a server without a registry, beside `docker save | ssh docker load`.

Prints wall seconds and bytes on the wire for a first image, and for one of which 1 MB has changed. Both sides send the
same images, to an engine that has neither, over SSH to the same server.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SSH = [str(PROJECT / "tools/server"), "ssh", "debian13"]
NAME = "local/sluice-bench-carried"
BASE = "local/sluice-demo-server:1"
PLAY = [{"hosts": "debian13", "gather_facts": False, "tasks": []}]


def built(tag: str) -> str:
    """An image with a megabyte of its own on the demo's."""
    dockerfile = f"FROM {BASE}\nUSER root\nRUN head -c 1000000 /dev/urandom > /more\n"
    argv = ["docker", "build", "--quiet", "--no-cache", "--tag", f"{NAME}:{tag}", "-"]
    subprocess.run(argv, input=dockerfile, text=True, check=True, capture_output=True)
    return f"{NAME}:{tag}"


def by_hand(name: str) -> tuple[float, int]:
    started, sent = time.perf_counter(), 0
    save = subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE)
    load = subprocess.Popen([*SSH, "gzip -d | docker load"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    packed = subprocess.Popen(["gzip", "-1"], stdin=save.stdout, stdout=subprocess.PIPE)
    while piece := packed.stdout.read(1 << 20):
        sent += len(piece)
        load.stdin.write(piece)
    load.stdin.close()
    assert not any(p.wait() for p in (save, packed, load))
    return time.perf_counter() - started, sent


def ours(name: str, room: pathlib.Path) -> tuple[float, int]:
    task = {"name": "Carried", "sluice.deploy.stack_images": {"images": [name]}}
    (room / "play.yml").write_text(json.dumps([{**PLAY[0], "tasks": [task]}]))
    started = time.perf_counter()
    done = subprocess.run(
        ["ansible-playbook", "-i", PROJECT / "molecule/inventory", room / "play.yml"],
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        check=True,
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    took = time.perf_counter() - started
    return took, json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["debian13"]["sent"]


def main() -> None:
    room = PROJECT / ".cache/bench"
    room.mkdir(exist_ok=True)
    subprocess.run([PROJECT / "demo/images/build", "1"], check=True, capture_output=True)
    for argv in (["up", "debian13", "trixie"], ["reset", "debian13"]):
        subprocess.run([PROJECT / "tools/server", *argv], check=True, capture_output=True)
    install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends docker.io docker-cli"
    subprocess.run([*SSH, install], check=True, capture_output=True)
    sides = {"save | ssh load": by_hand, "stack_images": lambda name: ours(name, room)}
    try:
        for what, tag in (("first", "1"), ("1 MB changed", "2")):
            figures = {}
            for side, send in sides.items():
                # Each side has its own image, and the other's base is gone before a first one.
                name = built(f"{tag}-{len(side)}")
                if tag == "1":
                    subprocess.run([*SSH, "docker image prune --all --force"], check=True, capture_output=True)
                figures[side] = send(name)
            hand, own = figures.values()
            print(
                f"{what:14} by hand {hand[0]:6.1f} s {hand[1] / 1e6:8.1f} MB   here {own[0]:6.1f} s {own[1] / 1e6:8.1f} MB"
                f"   ratio {hand[0] / own[0]:.1f} in time, {hand[1] / own[1]:.0f} in bytes"
            )
    finally:
        names = subprocess.run(["docker", "image", "ls", "--quiet", NAME], capture_output=True, text=True, check=True)
        subprocess.run(
            ["docker", "image", "rm", "--force", *set(names.stdout.split())], check=True, capture_output=True
        )
        subprocess.run([PROJECT / "tools/server", "down", "debian13"], check=True, capture_output=True)


if __name__ == "__main__":
    main()
