# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A full analysis of a 1 GB image beside docker save of it, its memory, and the size gate on 20 images.

Images are made from a fixed seed, loaded into the engine that DOCKER_HOST names, and removed afterwards.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "local/sluice-gate-bench"
LAYERS, FILES, STEP, LAYER_BYTES = 20, 2000, 1800, 50_000_000
ROUNDS = 3
GATE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.gate import run
options = dict(source="engine", basis="unpacked", platform="", fail_on=[], top=10, docker_host=sys.argv[2])
outcome = run({**options, "analysis": sys.argv[3], "images": sys.argv[4:], "max_size": "500MB"})
# A child's ru_maxrss starts from its parent's; this is its own.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
json.dump({"size": outcome.images[0]["size"], "peak": int(peak) * 1024}, sys.stdout)
"""


def path(number: int, mark: str = "") -> str:
    return f"app/node_modules/package{number // 15}/lib/{mark}file{number}.js"


def layer(seed: int) -> bytes:
    """Files of uneven sizes; each layer overwrites some of the one below, deletes some and repeats some."""
    dice = random.Random(seed)
    noise = dice.randbytes(1 << 20)
    weights = [dice.paretovariate(1.2) for _ in range(FILES)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, weight in enumerate(weights):
            size = int(LAYER_BYTES * weight / sum(weights))
            # A tenth of the files has the names of the layer below.
            name = path(number + seed * STEP)
            if number % 400 == 199 and seed:
                name, size = path(number + (seed - 1) * STEP, ".wh."), 0
            info = tarfile.TarInfo(name)
            info.size = size
            start = dice.randrange(1 << 19) if number % 50 else 0
            archive.addfile(info, Repeated(noise, start, size))
    return buffer.getvalue()


class Repeated(io.RawIOBase):
    """So many bytes of noise, over and over."""

    def __init__(self, noise: bytes, start: int, size: int) -> None:
        self._noise, self._start, self._left = noise, start, size

    def read(self, size: int = -1) -> bytes:
        size = min(size if size >= 0 else self._left, self._left, len(self._noise) - self._start)
        self._left -= size
        return self._noise[self._start : self._start + size]


def load(name: str, layers: list[bytes]) -> None:
    """Hand an image of these layers to the engine."""
    digests = [hashlib.sha256(data).hexdigest() for data in layers]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "history": [{"created_by": f"COPY part{number} ."} for number in range(len(layers))],
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": [f"{d}/layer.tar" for d in digests]}]
    members = {"config.json": config, "manifest.json": json.dumps(manifest).encode()}
    members |= {f"{digest}/layer.tar": data for digest, data in zip(digests, layers)}
    with subprocess.Popen(["docker", "load", "-q"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
            for path, data in members.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        process.stdin.close()
    if process.returncode:
        sys.exit(f"the engine does not load {name}")


def gate(analysis: str, *images: str) -> dict[str, float]:
    """Seconds of a process from start to end, its peak memory, and the first image's size."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    command = [sys.executable, "-c", GATE, str(ROOT / ".collections"), host, analysis, *images]
    started = time.perf_counter()
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return {"seconds": time.perf_counter() - started, **json.loads(output)}


def save(image: str) -> float:
    """docker save, its output thrown away."""
    started = time.perf_counter()
    subprocess.run(["docker", "save", image], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    small = [f"{NAME}-{number}:1" for number in range(20)]
    large = f"{NAME}:1gb"
    try:
        print(f"making an image of {LAYERS} layers with {LAYERS * FILES} files", file=sys.stderr)
        load(large, [layer(seed) for seed in range(LAYERS)])
        for number, name in enumerate(small):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                info = tarfile.TarInfo("file")
                info.size = 1000 + number
                archive.addfile(info, io.BytesIO(bytes(info.size)))
            load(name, [buffer.getvalue()])
        # In turns, so that both see the same machine.
        rounds = [(save(large), gate("always", large), gate("never", *small)) for _ in range(ROUNDS)]
    finally:
        subprocess.run(["docker", "rmi", "-f", large, *small], capture_output=True, check=False)
    peer = statistics.median(item[0] for item in rounds)
    full = statistics.median(item[1]["seconds"] for item in rounds)
    quick = statistics.median(item[2]["seconds"] for item in rounds)
    memory = max(item[1]["peak"] for item in rounds)
    print(f"| median of {ROUNDS}, image of {rounds[0][1]['size'] / 1e9:.2f} GB | seconds | ratio | aim |")
    print("|---|---|---|---|")
    print(f"| docker save to /dev/null | {peer:.2f} | 1.00 | |")
    print(f"| image_size_gate, full analysis | {full:.2f} | {full / peer:.2f} | 1.50 |")
    print(f"| image_size_gate, size of 20 images | {quick:.2f} | | 0.50 |")
    print(f"| peak memory of the full analysis | {memory / 1e6:.0f} MB | | 100 MB |")


if __name__ == "__main__":
    main()
