# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How fast and how right log_secret_scan is, beside other tools on the same logs in the same run.

The logs are made up from a seed: 256 MB as Docker's json-file driver writes them, once clean, once as applications
write them at debug level (full of the words password, token and secret, and without one), once with a secret in every
hundredth line, and once with a line that only looks like a leak in every tenth. What was planted where is known, and so
are recall and precision. Every tool is run as often as every other, in turns, and its median is told.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.rules.rules_data import (  # noqa: E402
    ASSIGNMENTS,
    TOKENS,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.secret_samples import (  # noqa: E402
    docker,
    docker_pieces,
    fill,
    text,
)

SEED = 20260102
WORDS = [
    *("server", "worker", "request", "user", "module", "loaded", "route", "mapped"),
    *("connection", "query", "workspace", "metadata", "cache", "job", "started", "finished"),
    *("retry", "queue", "event", "object", "record", "view", "field", "company"),
    *("person", "note", "task", "sync", "message", "channel", "calendar"),
]
KNOWN = 36
# Runs of each tool on each log.
ROUNDS = 5


class Planted(NamedTuple):
    """A line that holds a secret, or looks as if it did."""

    kind: str
    line: str


def clean_line(source: random.Random) -> str:
    """A harmless line of NestJS, nginx, PostgreSQL, a JSON logger, or a stack trace."""
    word, number = source.choice(WORDS), source.randrange
    choice = source.random()
    if choice < 0.25:
        return (
            f"\x1b[32m[Nest] {number(99)}  - \x1b[39m01/02/2026, 8:{number(60):02d}:{number(60):02d} AM \x1b[32m    LOG\x1b[39m"
            f" \x1b[38;5;3m[RouterExplorer] \x1b[39m\x1b[32mMapped {{/{word}/:id, GET}} route\x1b[39m\x1b[38;5;3m +{number(30)}ms\x1b[39m"
        )
    if choice < 0.5:
        return (
            f'10.0.{number(255)}.{number(255)} - - [02/Jan/2026:08:{number(60):02d}:{number(60):02d} +0000] "GET /api/{word}/'
            f'{source.getrandbits(128):032x}?limit={number(100)} HTTP/1.1" 200 {number(99999)} "https://crm.example.com/objects/{word}"'
            ' "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"'
        )
    if choice < 0.65:
        return (
            f"2026-01-02 08:{number(60):02d}:{number(60):02d}.{number(999):03d} UTC [{number(999)}] LOG:  checkpoint complete: wrote"
            f" {number(9999)} buffers ({source.random() * 100:.1f}%); write={source.random() * 30:.3f} s, sync=0.0{number(99)} s"
        )
    if choice < 0.85:
        message = " ".join(source.choice(WORDS) for _ in range(8))
        record = {"level": "info", "time": number(10**13), "reqId": f"{source.getrandbits(128):032x}", "msg": message}
        return json.dumps(record | {"durationMs": number(900), "userId": number(10**6)})
    return f"    at {word.title()}.{source.choice(WORDS)} (/app/node_modules/@nestjs/core/router.js:{number(99)}:{number(99)})"


def ordinary_line(source: random.Random) -> str:
    """A line of an application at debug level, which speaks of credentials and shows none."""
    word, number, bits = source.choice(WORDS), source.randrange, source.getrandbits
    choice = source.random()
    if choice < 0.3:
        return clean_line(source)
    if choice < 0.45:
        return (
            'query: SELECT "UserEntity"."id" AS "UserEntity_id", "UserEntity"."passwordHash" AS "UserEntity_passwordHash",'
            f' "UserEntity"."{word}Token" AS "UserEntity_{word}Token" FROM "core"."user" "UserEntity" WHERE'
            f' (("UserEntity"."id" = $1)) -- PARAMETERS: ["{uuid.UUID(int=bits(128), version=4)}"]'
        )
    if choice < 0.6:
        headers = {
            "host": "crm.example.com",
            "authorization": "[Redacted]",
            "cookie": "[Redacted]",
            "x-request-id": f"{bits(128):032x}",
        }
        request = {"method": "POST", "url": f"/api/{word}?tokenType=access", "headers": headers}
        return json.dumps(
            {"level": 20, "time": number(10**13), "req": request, "msg": "request", "tokenCount": number(999)}
        )
    if choice < 0.7:
        return (
            f"2026-01-02 08:{number(60):02d}:{number(60):02d}.{number(999):03d} UTC [{number(999)}] app@app LOG:  statement: UPDATE users"
            f" SET password_hash = $1, reset_token = NULL, token_version = {number(99)} WHERE id = {number(10**6)}"
        )
    if choice < 0.8:
        return "    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)"
    if choice < 0.9:
        return f"\x1b[31m[Nest] 42  - \x1b[39m \x1b[31m  ERROR\x1b[39m [AuthService] Invalid token: jwt expired for user {number(10**6)}"
    return f'10.0.{number(255)}.{number(255)} - - "POST /auth/token?grant_type=password&redirect=%2F{word} HTTP/1.1" 401 {number(999)}'


def decoy(source: random.Random) -> str:
    """A line that a keyword or a careless pattern would take for a leak."""
    number = source.getrandbits
    return source.choice(
        [
            "Invalid token, session expired",
            "password is required",
            'Access denied for user "app" (using password: YES)',
            "password=********** user=app",
            "Authorization: Bearer [REDACTED]",
            "API_KEY=${API_KEY}",
            "SECRET_KEY=changeme",
            'config {"password": null, "token": "", "secret": undefined}',
            f"GET /assets/index-{number(32):08x}.js token={{{{ csrf_token }}}}",
            f"digest: sha256:{number(256):064x}",
            f"commit {number(160):040x} merged",
            f"requestId={number(128):032x} tokens used: {number(12)}",
            f'etag W/"{number(64):x}" secret_rotation_days=30',
            "passwordResetUrl=https://crm.example.com/reset",
            f"user_id: {number(128):032x}",
            f"traceparent: 00-{number(128):032x}-{number(64):016x}-01",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx is not a token",
            "postgres://app:${PGPASSWORD}@db:5432/app",
            "tokenExpiresIn=3600 passwordPolicy=strict",
            "the secret: be patient",
        ]
    )


ENCODINGS = {
    "raw": lambda v: v,
    "url": lambda v: quote(v, safe=""),
    "json": lambda v: json.dumps({"value": v}),
    "json in json": lambda v: json.dumps(json.dumps({"value": v})),
    "html": html.escape,
    "base64": lambda v: base64.b64encode(b"app:" + v.encode()).decode(),
    "hex": lambda v: v.encode().hex(),
}


def leak(source: random.Random, known: list[str]) -> Planted:
    """A line with a secret in it."""
    choice = source.random()
    if choice < 0.4:
        rule = source.choice(TOKENS)
        sample = fill(rule["examples"][0], source).replace("\n", "\\n")
        form = source.choice(["using {} now", "\x1b[33m{}\x1b[39m", "got\t{}", "value={}"])
        return Planted("provider token", form.format(sample))
    if choice < 0.6:
        return Planted("assignment", f"env {fill(source.choice(ASSIGNMENTS)['examples'][0], source)}")
    name, encode = source.choice(list(ENCODINGS.items()))
    return Planted(f"known value, {name}", f"connect {encode(source.choice(known))} done")


def known_values(source: random.Random) -> list[str]:
    values = [text("alnum", source.choice([12, 16, 24, 32]), source) for _ in range(KNOWN)]
    return [value + source.choice(["", "#$", "/+=", '"!']) for value in values]


def build(
    path: Path,
    size: int,
    leaks: float,
    decoys: float,
    source: random.Random,
    known: list[str],
    line_of: Callable[[random.Random], str] = clean_line,
) -> dict[int, Planted]:
    """Write a log with these shares of leaking and of suspicious lines; returns what was planted at which byte.

    All other stretches repeat with new times only.
    """
    pool = [line_of(source) for _ in range(20_000)]
    planted: dict[int, Planted] = {}
    offset = 0
    with path.open("wb") as file:
        for number in range(10**9):
            moment = f"2026-01-02T{number // 3_600_000 % 24:02d}:{number // 60_000 % 60:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}000001Z"
            item = None
            if leaks and source.random() < leaks:
                item = leak(source, known)
            elif decoys and source.random() < decoys:
                item = Planted("decoy", decoy(source))
            line = item.line if item else source.choice(pool)
            if item and item.kind.startswith("known") and source.random() < 0.05:
                item = Planted("cut in two by Docker", item.line)
                data = docker_pieces("-" * (16384 - source.randrange(9, len(line))) + line, time=moment)
            else:
                data = docker(line, "stderr" if number % 9 == 0 else "stdout", moment)
            if item:
                planted[offset] = item
                if item.kind.startswith("cut"):
                    planted[offset + data.index(b"\n") + 1] = item
            file.write(data)
            offset += len(data)
            if offset >= size:
                return planted
    return planted


CHILD = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
began = time.process_time()
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import Options, run
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs import sources
options = json.load(sys.stdin)
kind = options.pop("kind")
if kind != "text":
    plain = sources.FileChain.scan
    sources.FileChain.scan = lambda self, s, p, k, stored: plain(self, s, p, kind, stored)
report = run(Options(**options))
peak = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
print(json.dumps({"findings": len(report.findings), "records": sum(f.count for f in report.findings),
                  "engine": report.engine, "bytes": report.bytes_scanned, "peak": peak, "seconds": report.seconds}))
"""


class Timing(NamedTuple):
    """One run of a process: wall clock and processor seconds, output."""

    wall: float
    cpu: float
    output: str


def measure(command: list[str], stdin: str = "", environment: dict[str, str] | None = None) -> Timing:
    """Run a process to its end; its failure is its answer (grep finds nothing, gitleaks finds something)."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, errors="replace", env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timing(time.perf_counter() - began, cpu, result.stdout or result.stderr)


class Scan(NamedTuple):
    """A whole process that scans a file."""

    path: Path
    settings: dict[str, object]

    def run(self) -> Timing:
        """One run; it says how much it took at most and what it found."""
        # As Python runs by itself: what is imported has been compiled before.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(self.path.parent / "pycache")
        child = [sys.executable, "-c", CHILD, str(ROOT / ".collections")]
        return measure(child, json.dumps(self.settings), environment)


def scan(path: Path, known: list[str], cache: str, **options: object) -> Scan:
    settings = {
        "paths": [str(path)],
        "secrets": {f"KEY{n}": value for n, value in enumerate(known)},
        "cache": cache,
        "threads": 1,
        "kind": "json-file",
        **options,
    }
    return Scan(path, settings)


def result_of(timing: Timing) -> dict:
    """What a scan's process printed."""
    try:
        return dict(json.loads(timing.output))
    except json.JSONDecodeError:
        sys.exit(f"the scan failed: {timing.output[-2000:]}")


def medians(runs: dict[str, Callable[[], Timing]], rounds: int = ROUNDS) -> dict[str, Timing]:
    """Of so many runs of each, in turns, the one whose processor time is the median."""
    timings: dict[str, list[Timing]] = {title: [] for title in runs}
    for _round in range(rounds):
        for title, run in runs.items():
            timings[title].append(run())
    return {title: sorted(taken, key=lambda timing: timing.cpu)[rounds // 2] for title, taken in timings.items()}


def row(title: str, size: int, timing: Timing, base: float = 0.0, more: str = "") -> None:
    rate = size / 1e6 / timing.cpu if timing.cpu else 0.0
    ratio = f"{rate / base:9.1f}x" if base else " " * 10
    print(f"  {title:44s}{rate:9.0f} MB/s of CPU{size / 1e6 / timing.wall:9.0f} MB/s wall{ratio}  {more}", flush=True)


def speed(directory: Path, size: int, known: list[str], cache: str, source: random.Random) -> None:
    """Throughput on clean, ordinary, leaking and suspicious logs."""
    kinds = {
        "clean": (0.0, 0.0, clean_line),
        "ordinary": (0.0, 0.0, ordinary_line),
        "leaking": (0.01, 0.01, clean_line),
        "suspicious": (0.0, 0.1, clean_line),
    }
    for name, (leaks, decoys, line_of) in kinds.items():
        path = directory / f"{name}.log"
        build(path, size, leaks, decoys, source, known, line_of)
        total = path.stat().st_size
        path.read_bytes()
        print(f"{path.name}: {total / 1e6:.0f} MB, median of {ROUNDS} runs of each in turns")
        small, smaller = directory / "small.log", directory / "smaller.log"
        with path.open("rb") as file:
            small.write_bytes(file.read(total // 8))
        with small.open("rb") as file:
            smaller.write_bytes(file.read(max(total // 64, 1 << 20)))
        runs: dict[str, Callable[[], Timing]] = {
            "log_secret_scan, 1 thread": scan(path, known, cache).run,
            "log_secret_scan, 2 threads": scan(path, known, cache, threads=2).run,
            "log_secret_scan, plain Python (1/8)": scan(small, known, cache, engine="python").run,
            "grep -ciE 'password|secret|token'": partial(measure, ["grep", "-ciE", "password|secret|token", str(path)]),
            "wc -l": partial(measure, ["wc", "-l", str(path)]),
        }
        if shutil.which("rg"):
            runs["rg -ci"] = partial(measure, ["rg", "-ci", "password|secret|token", str(path)])
        if shutil.which("gitleaks"):
            command = ["sh", "-c", f"gitleaks detect --pipe --no-banner -l fatal < {smaller}"]
            runs["gitleaks --pipe (1/64)"] = partial(measure, command)
        sizes = {"(1/8)": small.stat().st_size, "(1/64)": smaller.stat().st_size}
        taken = medians(runs)
        gitleaks = taken.get("gitleaks --pipe (1/64)")
        base = smaller.stat().st_size / 1e6 / gitleaks.cpu if gitleaks else 0.0
        for title, timing in taken.items():
            more = ""
            if title.startswith("log_secret_scan"):
                result = result_of(timing)
                more = f"{result['peak'] / 1024:.0f} MiB, {result['findings']} findings, {result['engine']}"
            row(title, sizes.get(title.split()[-1], total), timing, base, more)
        for tool, title in (("gitleaks", "gitleaks --pipe"), ("rg", "ripgrep")):
            if not shutil.which(tool):
                print(f"  {title}: not measured, not installed")
    again = scan(directory / "clean.log", known, cache, state_file=str(directory / "state.json"))
    again.run()
    timing = medians({"again": again.run})["again"]
    seconds = result_of(timing)["seconds"]
    print(f"nothing changed: {seconds * 1000:.0f} ms for the scan, {timing.wall * 1000:.0f} ms for the process")


def accuracy(directory: Path, known: list[str], source: random.Random) -> None:
    """Recall by class and precision, for both engines."""
    path = directory / "truth.log"
    planted = build(path, 12 << 20, 0.05, 0.05, source, known)
    for engine in ("libhs", "python"):
        hits = records_hit(path, known, engine)
        if hits is None:
            print(f"{engine}: not measured, libhs is not installed")
            continue
        by_kind: dict[str, list[bool]] = {}
        cut: dict[str, bool] = {}
        for offset, item in planted.items():
            if item.kind.startswith("cut"):
                cut[item.line] = cut.get(item.line, False) or offset in hits
            else:
                by_kind.setdefault(item.kind, []).append(offset in hits)
        by_kind["cut in two by Docker"] = list(cut.values())
        false = sum(by_kind.pop("decoy")) + len(hits - planted.keys())
        true = sum(map(sum, by_kind.values()))
        print(f"accuracy with {engine}: precision {true / (true + false):.4f} ({false} false)")
        for kind, found in sorted(by_kind.items()):
            print(f"  {kind:28s} recall {sum(found) / len(found):.4f} of {len(found)}")


def records_hit(path: Path, known: list[str], engine: str) -> set[int] | None:
    """The offsets of all records in which something was found."""
    from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.findings import Collector
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.known import KnownValues
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.readers import FileReader
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.rules import rules
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.scan import Log, Scanner
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import engines
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.plan import Plan

    hits: set[int] = set()

    class Places(Collector):
        def add(self, match: object, record: object, source: str, offset: int, origin: str = "") -> None:
            hits.add(offset)

    plan = Plan(rules.load(), KnownValues({f"KEY{n}": value for n, value in enumerate(known)}))
    try:
        made = engines.make(plan, engine)
    except UserError:
        return None
    Scanner(plan, lambda: made, Places(b"k" * 32)).scan(Log("x", "json-file", FileReader(path)))
    return hits


def cases(path: Path) -> None:
    """Recall and precision on cases of another tool's tests, each wrapped as a log record."""
    if not path.exists():
        print(f"cases: not measured, {path.name} is not there")
        return
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [case for case in rows if not case["path"] and "\n" not in case["text"]]
    with tempfile.TemporaryDirectory() as directory:
        log, offset, truth = Path(directory, "cases.log"), 0, {}
        with log.open("wb") as file:
            for case in rows:
                truth[offset] = case
                offset += file.write(docker(case["text"]))
        hits = records_hit(log, [], "libhs") or records_hit(log, [], "python") or set()
    found = Counter((case["is_secret"], place in hits) for place, case in truth.items())
    true, missed, false = found[True, True], found[True, False], found[False, True]
    print(f"cases: recall {true / (true + missed):.4f} of {true + missed}, precision {true / (true + false):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=256, help="size of each log")
    options = parser.parse_args()
    os.nice(5)
    source = random.Random(SEED)
    known = known_values(source)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        cache = str(directory / "cache")
        accuracy(directory, known, source)
        cases(ROOT.parent / "shared/secrets/cases.jsonl")
        speed(directory, options.mb * 1_000_000, known, cache, source)


if __name__ == "__main__":
    main()
