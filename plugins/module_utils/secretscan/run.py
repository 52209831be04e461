# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One scan from its options to its report."""

from __future__ import annotations

import contextlib
import gc
import glob
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from ..docker.api import DockerApi
from ..errors import UserError
from .findings import Collector, Finding, by_gravity
from .known import KnownValues
from .logs.sources import Sources
from .logs.state import State
from .options import Options, parse_moment
from .report import ScanReport, apply_baseline, parse_baseline
from .rules import rules
from .scan import Scanner
from .search import engines
from .search.plan import Plan


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """A scan makes many small objects and no cycles; to look for cycles would take a sixth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_without_garbage_collection()
def run(options: Options) -> ScanReport:
    """Scan what the options name.

    Raises:
        UserError: An option cannot be followed; says which and why.
    """
    started = time.monotonic()
    baseline = parse_baseline(options.ignore)
    if baseline and not (options.fingerprint_key or options.state_file):
        raise UserError("ignore: fingerprints last only with fingerprint_key or state_file; set one of them")
    if options.threads < 0:
        raise UserError(f"threads: {options.threads} is no number of threads; take 0 for one a processor, or more")
    secrets = {**_from_files(options.secret_files), **options.secrets}
    plan = Plan(rules.load(options.rules, options.disable_rules), KnownValues(secrets), options.keywords != "off")
    state = State(Path(options.state_file) if options.state_file else None)
    state.bind(json.dumps([plan.digest, sorted(secrets.items()), options.since, options.until]))
    collector = Collector(_key(options, state))
    since = parse_moment(options.since, "since")
    scanner = Scanner(
        plan,
        partial(engines.make, plan, options.engine, Path(options.cache) if options.cache else None),
        collector,
        threads=options.threads,
        since=since,
        until=parse_moment(options.until, "until"),
    )
    sources = Sources(scanner, state, DockerApi(options.docker_host), since)
    _feed(sources, options)
    findings = collector.results()
    if state.is_kept:
        findings = _with_open(findings, state)
        if options.write:
            state.save()
    judged = apply_baseline(findings, baseline, datetime.now(timezone.utc).date())
    return ScanReport(
        findings=judged.findings,
        ignored=judged.ignored,
        uncounted=collector.uncounted,
        scanned=sources.scanned,
        notes=sources.notes + judged.notes,
        too_short=plan.known.too_short,
        keyword_lines=scanner.keyword_lines,
        keywords=dict(scanner.keywords),
        bytes_scanned=scanner.bytes_read,
        seconds=round(time.monotonic() - started, 3),
        engine=scanner.engine_name,
    )


def _feed(sources: Sources, options: Options) -> None:
    sources.containers(options.project, options.containers, options.labels)
    sources.images(options.images)
    sources.journal(options.journal_units)
    sources.files(options.paths)
    sources.texts(options.texts)


def _key(options: Options, state: State) -> bytes:
    if options.fingerprint_key:
        return hashlib.sha256(b"sluice.deploy " + options.fingerprint_key.encode()).digest()
    return state.key


def _from_files(patterns: Sequence[str]) -> dict[str, str]:
    """Secrets from the files they already lie in on this host, by file name."""
    secrets = {}
    for pattern in patterns:
        paths = sorted(glob.glob(pattern))
        if not paths:
            raise UserError(f"secret_files: no file matches {pattern!r}")
        for path in map(Path, paths):
            try:
                secrets[path.name] = path.read_text(errors="surrogateescape")
            except OSError as error:
                raise UserError(f"secret_files: cannot read {path}: {error.strerror}")
    return secrets


def _with_open(fresh: list[Finding], state: State) -> list[Finding]:
    """Add what earlier scans found and what is still there, and keep all for the next."""
    merged = {(f.source, f.rule, f.fingerprint): f for f in fresh}
    for before, now in state.seen():
        for data in before.get("findings", []):
            finding = Finding(**data)
            if finding.origin not in now["files"]:
                continue
            key = (finding.source, finding.rule, finding.fingerprint)
            again = merged.get(key)
            merged[key] = finding._replace(
                new=False,
                count=finding.count + (again.count if again else 0),
                last_time=again.last_time if again else finding.last_time,
            )
    for _before, now in state.seen():
        now["findings"] = [f.stored() for f in merged.values() if f.source == now["source"]]
    return by_gravity(merged.values())
