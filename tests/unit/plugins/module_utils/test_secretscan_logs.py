# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs as they come: rotated, zipped, truncated, broken, endless; and what a second scan reads."""

from __future__ import annotations

import gc
import gzip
import json
import random
import tracemalloc
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.docker.api import DockerApi
from ansible_collections.sluice.deploy.plugins.module_utils.errors import DockerError, UserError
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import Options, ScanReport, run
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.findings import Collector
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.known import KnownValues
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs import records
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.logfiles import FileChain, chain
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.readers import BytesReader
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.state import State
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.rules.rules import Rule
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.scan import Log, Scanner
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import engines, python_engine
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.blocks import Cutter
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.plan import Plan
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.engine_ways import WAYS, going
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.secret_samples import docker, local_entry

SECRET = "x7Kp2mQ9vB3n"
OTHER = "Jh5Tr8Wz1Yc6"
RULE = Rule(id="acme", title="Acme", pattern="acme_[a-z0-9]{12}")


class _During:
    """A scanner that lets something happen to the files before it reads the first of them."""

    def __init__(self, scanner: Scanner, happens: Callable[[], object] | None) -> None:
        self._scanner = scanner
        self._happens = happens

    def scan(self, log: Log) -> Cutter:
        if self._happens:
            happens, self._happens = self._happens, None
            happens()
        return self._scanner.scan(log)


class Watch:
    """Scans one log again and again, as a gate does, with a memory between."""

    def __init__(self, log: Path, engine: str = "auto", kind: records.Kind = "json-file") -> None:
        self.log, self.kind, self.engine = log, kind, engine
        self.stored: dict[str, Any] = {}
        self.state = State(None)

    def scan(self, during: Callable[[], object] | None = None) -> tuple[list[str], int]:
        """Titles found and bytes read."""
        plan = Plan((RULE,), KnownValues({"A": SECRET, "B": OTHER}))
        collector = Collector(b"k" * 32)
        scanner = Scanner(plan, lambda: engines.make(plan, self.engine), collector)
        chained = FileChain(_During(scanner, during), self.state)  # type: ignore[arg-type]
        self.stored = chained.scan("log", self.log, self.kind, self.stored)
        self.notes = chained.notes
        self.count = sum(finding.count for finding in collector.results())
        return [f.title for f in collector.results()], scanner.bytes_read


def test_a_second_scan_reads_only_what_is_new(tmp_path: Path) -> None:
    log = tmp_path / "c-json.log"
    log.write_bytes(docker("hello") + docker(SECRET))
    watch = Watch(log)
    assert watch.scan() == (["Value of A"], log.stat().st_size)
    assert watch.scan() == ([], 0)
    more = docker("quiet") + docker(OTHER)
    with log.open("ab") as file:
        file.write(more)
    assert watch.scan() == (["Value of B"], len(more))


def test_a_record_half_written_is_scanned_and_read_again_when_complete(tmp_path: Path) -> None:
    log = tmp_path / "c-json.log"
    record = docker(f"key {SECRET} and more")
    log.write_bytes(docker("hello") + record[:20])
    watch = Watch(log)
    assert watch.scan()[0] == []
    with log.open("ab") as file:
        file.write(record[20:])
    assert watch.scan() == (["Value of A"], len(record))


@pytest.mark.parametrize("zipped", [False, True])
def test_rotation_loses_nothing(tmp_path: Path, zipped: bool) -> None:
    log = tmp_path / "c-json.log"
    log.write_bytes(docker("hello", time="2026-01-01T00:00:00.000000001Z"))
    watch = Watch(log)
    watch.scan()
    with log.open("ab") as file:
        file.write(docker(SECRET))
    old = log.read_bytes()
    log.rename(tmp_path / "c-json.log.1")
    if zipped:
        (tmp_path / "c-json.log.1").unlink()
        (tmp_path / "c-json.log.1.gz").write_bytes(gzip.compress(old))
    log.write_bytes(docker(OTHER, time="2026-01-02T00:00:00.000000001Z"))
    assert sorted(watch.scan()[0]) == ["Value of A", "Value of B"]
    assert watch.scan() == ([], 0)


def test_rotated_files_are_read_oldest_first(tmp_path: Path) -> None:
    for name in ("app.log", "app.log.1", "app.log.2.gz", "app.log.10", "app.log.bak", "app.logs.1"):
        (tmp_path / name).write_bytes(b"")
    names = [path.name for path in chain(tmp_path / "app.log")]
    assert names == ["app.log.10", "app.log.2.gz", "app.log.1", "app.log"]


def test_a_truncated_log_starts_anew(tmp_path: Path) -> None:
    log = tmp_path / "c-json.log"
    log.write_bytes(docker("a" * 500) * 3)
    watch = Watch(log)
    watch.scan()
    log.write_bytes(docker(SECRET))
    assert watch.scan() == (["Value of A"], log.stat().st_size)


def test_a_log_written_anew_with_the_same_beginning_is_read_again(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("Starting the application, version 1.2.3, please be patient, it takes a while\nall well\n")
    watch = Watch(log, kind="text")
    watch.scan()
    log.write_text(f"Starting the application, version 1.2.3, please be patient, it takes a while\n{SECRET}\nmore\n")
    assert watch.scan()[0] == ["Value of A"]


def test_rotation_during_a_scan_loses_nothing(tmp_path: Path) -> None:
    """Each file takes the next one's name, and the oldest is gone, when they are open already."""
    log, older, oldest = (tmp_path / f"c-json.log{suffix}" for suffix in ("", ".1", ".2"))
    for number, file in enumerate((oldest, older, log)):
        file.write_bytes(docker(f"file {number} {SECRET}"))

    def rotate() -> None:
        oldest.unlink()
        older.rename(oldest)
        log.rename(older)
        log.write_bytes(docker("the next file", time="2026-01-02T03:04:09.5Z"))

    watch = Watch(log)
    assert watch.scan(rotate)[0] == ["Value of A"]
    assert watch.count == 3
    with log.open("ab") as file:
        file.write(docker(SECRET))
    assert watch.scan() == (["Value of A"], log.stat().st_size)


def test_truncation_during_a_scan_is_read_again_and_told(tmp_path: Path) -> None:
    log = tmp_path / "c-json.log"
    log.write_bytes(docker("first, long enough to be named by it") + docker("old " * 200))
    watch = Watch(log)
    watch.scan()
    with log.open("ab") as file:
        file.write(docker("more"))
    assert watch.scan(lambda: log.write_bytes(docker(SECRET)))[0] == ["Value of A"]
    assert "was truncated while it was read" in watch.notes[0]


def test_a_file_being_zipped_is_read_once(tmp_path: Path) -> None:
    for name in ("app.log", "app.log.1", "app.log.1.gz"):
        (tmp_path / name).write_bytes(b"half written" if name.endswith("gz") else b"x")
    assert [path.name for path in chain(tmp_path / "app.log")] == ["app.log.1", "app.log"]


def test_a_damaged_zip_is_read_as_far_as_it_goes_and_named(tmp_path: Path) -> None:
    source = random.Random(3)
    log = tmp_path / "c-json.log"
    log.write_bytes(docker("now"))
    body = docker(SECRET) + b"".join(docker(f"{source.getrandbits(4000):x}") for _ in range(200))
    data = bytearray(gzip.compress(body))
    data[len(data) // 2 : len(data) // 2 + 50] = b"\xff" * 50
    (tmp_path / "c-json.log.1.gz").write_bytes(bytes(data))
    watch = Watch(log)
    assert watch.scan()[0] == ["Value of A"]
    assert "is damaged" in watch.notes[0]


@pytest.mark.parametrize("where", [100, (1 << 20) - 6, (1 << 20) + 10, 3_000_000])
def test_a_line_longer_than_any_block(tmp_path: Path, engine: str, where: int) -> None:
    log = tmp_path / "app.log"
    token = "acme_" + "q7" * 6
    log.write_text("short\n" + "a " * (where // 2) + token + " b" * (1 << 20) + SECRET + "\nlast\n")
    watch = Watch(log, engine, "text")
    assert watch.scan()[0] == ["Acme", "Value of A"]


def test_a_secret_at_the_edge_of_what_is_looked_at_together(tmp_path: Path, engine: str) -> None:
    """In a long line, another secret before it decides where that edge is."""
    log = tmp_path / "app.log"
    first, second = "acme_" + "q7" * 6, "acme_" + "z9" * 6
    for edge in (4096, 8192, 12288, 16384):
        for place in range(edge - 20, edge + 4):
            line = f"a {first} ".ljust(place, ".") + f" {second} "
            log.write_text(line.ljust(100_000, ".") + "\n")
            watch = Watch(log, engine, "text")
            assert watch.scan()[0] == ["Acme", "Acme"], (edge, place)


def test_memory_stays_bounded_and_findings_are_capped(tmp_path: Path) -> None:
    source = random.Random(4)
    log = tmp_path / "app.log"
    lines = (f"acme_{source.getrandbits(60):012x}"[:17] for _ in range(40_000))
    log.write_text("\n".join(lines) + "\n")
    collector = Collector(b"k" * 32)
    plan = Plan((RULE,), KnownValues({}))
    scanner = Scanner(plan, lambda: engines.make(plan), collector)
    tracemalloc.start()
    scanner.scan(Log("log", "text", BytesReader(log.read_bytes())))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    found = collector.results()
    assert len(found) == 1000
    assert len(found) + collector.uncounted >= 39_000
    assert peak < 48 << 20, f"{peak >> 20} MiB"


def test_endless_words_are_not_remembered() -> None:
    searcher = python_engine.PythonEngine(Plan((RULE,), KnownValues({}))).searcher()
    source = random.Random(6)
    tracemalloc.start()
    for _block in range(100):
        block = bytearray(b"acme_" + source.randbytes(32_768).hex().encode())
        assert searcher.search(block, len(block))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 1 << 20, f"{held >> 10} KiB"


def test_a_full_memory_of_words_loses_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_engine, "_MOST_WORDS", 5)
    values = [f"{number}Kp2mQ9vB3n" for number in range(10, 30)]
    searcher = python_engine.PythonEngine(Plan((), KnownValues(dict(zip(values, values))))).searcher()
    for count in (4, 8, 12, 20, 20):
        block = bytearray("\n".join(values[:count]).encode())
        assert len(searcher.search(block, len(block))) == count


def test_a_scan_leaves_nothing_to_the_garbage_collector(engine: str) -> None:
    """It is off while a scan runs, so whatever refers to itself would pile up with every record."""
    texts = {"log": "\n".join(f"token=acme_{number:012x} {SECRET}" for number in range(2000))}
    run(Options(texts=texts, secrets={"A": SECRET}, engine=engine, cache=""))
    gc.collect()
    gc.disable()
    try:
        assert run(Options(texts=texts, secrets={"A": SECRET}, engine=engine, cache="")).findings
        assert gc.collect() < 500
    finally:
        gc.enable()


@settings(max_examples=60, derandomize=True)
@given(
    data=st.lists(st.one_of(st.binary(max_size=300), st.builds(docker, st.text(max_size=80))), max_size=8),
    kind=st.sampled_from(["json-file", "text", "local", "framed"]),
)
def test_no_bytes_make_it_fail(data: list[bytes], kind: records.Kind) -> None:
    secret = SECRET.encode()
    log = secret.join(data) + b"\n" + local_entry(secret)
    plan = Plan((RULE,), KnownValues({"A": SECRET}), keywords=True)
    found = []
    for way in WAYS:
        collector = Collector(b"k" * 32)
        with going(way) as engine:
            made = engines.make(plan, engine)
            Scanner(plan, lambda made=made: made, collector).scan(Log("log", kind, BytesReader(log)))
        found.append([(f.title, f.offset, f.count, f.line) for f in collector.results()])
    assert found[0] == found[1]
    assert found[0]


def test_times_compare_whatever_their_form() -> None:
    same = ["2026-01-02T03:04:05.1Z", "2026-01-02 03:04:05,100", "2026-01-02T05:04:05.100000+02:00"]
    assert {records.moment(time) for time in same} == {"2026-01-02T03:04:05.100000000Z"}
    assert records.moment("no time") == ""


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ScanReport]:
    """A whole scan as the module runs it, with rules compiled once for all tests."""
    cache = str(tmp_path_factory.mktemp("cache"))
    return lambda **options: run(Options(cache=cache, docker_host="unix:///nowhere", **options))


def test_since_and_until(tmp_path: Path, scan: Callable[..., ScanReport]) -> None:
    log = tmp_path / "app.log"
    log.write_text(
        f"2026-01-01T00:00:00Z {SECRET}\n2026-01-02T00:00:00Z {OTHER}\n2026-01-03T00:00:00Z acme_aaaabbbb1234\n"
    )
    options = {"paths": [str(log)], "secrets": {"A": SECRET, "B": OTHER}}
    report = scan(since="2026-01-02T00:00:00Z", until="2026-01-03T00:00:00Z", **options)
    assert [f.title for f in report.findings] == ["Value of B"]
    with pytest.raises(UserError, match="since: 'yesterday' is neither"):
        scan(since="yesterday", **options)


def test_findings_stay_open_until_their_log_is_gone(tmp_path: Path, scan: Callable[..., ScanReport]) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"2026-01-01T00:00:00Z the first line of this log is long enough\n{SECRET}\n")
    options = {"paths": [str(log)], "secrets": {"A": SECRET}, "state_file": str(tmp_path / "state.json")}
    first, second = scan(**options), scan(**options)
    assert [(f.title, f.new) for f in first.findings] == [("Value of A", True)]
    assert [(f.title, f.new, f.count) for f in second.findings] == [("Value of A", False, 1)]
    assert second.bytes_scanned == 0
    assert first.findings[0].fingerprint == second.findings[0].fingerprint
    assert SECRET[:6] not in (tmp_path / "state.json").read_text()
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    log.write_text("2026-01-05T00:00:00Z another log altogether, with nothing in it to be found\n")
    assert not scan(**options).findings


def test_new_secrets_mean_a_new_look_at_old_logs(tmp_path: Path, scan: Callable[..., ScanReport]) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"{OTHER}\n")
    options: dict[str, Any] = {"paths": [str(log)], "state_file": str(tmp_path / "state.json")}
    assert not scan(secrets={"A": SECRET}, **options).findings
    report = scan(secrets={"A": SECRET, "B": OTHER}, **options)
    assert [f.title for f in report.findings] == ["Value of B"]


def test_a_broken_state_file_means_reading_everything(tmp_path: Path, scan: Callable[..., ScanReport]) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"{SECRET}\n")
    state = tmp_path / "state.json"
    state.write_text("{nonsense")
    report = scan(paths=[str(log)], secrets={"A": SECRET}, state_file=str(state))
    assert report.findings
    assert json.loads(state.read_text())["version"] == 1


def test_an_exception_holds_until_its_last_day(tmp_path: Path, scan: Callable[..., ScanReport]) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"{SECRET}\n")
    options: dict[str, Any] = {"paths": [str(log)], "secrets": {"A": SECRET}, "fingerprint_key": "a stable key"}
    (finding,) = scan(**options).findings
    excuse = {"fingerprint": finding.fingerprint, "reason": "a test", "expires": date.today().isoformat()}
    report = scan(ignore=[excuse], **options)
    assert not report.findings
    assert report.ignored[0]["reason"] == "a test"
    past = {**excuse, "expires": (date.today() - timedelta(days=2)).isoformat()}
    report = scan(ignore=[past], **options)
    assert report.findings
    assert "expired" in report.notes[0]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"fingerprint": "x", "expires": "2027-01-01"}, "no reason"),
        ({"fingerprint": "x", "reason": "r"}, "no expires"),
        ({"fingerprint": "x", "reason": "r", "expires": "soon"}, "no date"),
    ],
)
def test_an_exception_without_reason_or_end_is_refused(
    tmp_path: Path, scan: Callable[..., ScanReport], entry: dict[str, str], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        scan(ignore=[entry], fingerprint_key="k")
    with pytest.raises(UserError, match="fingerprint_key"):
        scan(ignore=[{"fingerprint": "x", "reason": "r", "expires": "2027-01-01"}])


def test_what_cannot_be_read_is_said(tmp_path: Path, scan: Callable[..., ScanReport]) -> None:
    assert scan(paths=[f"{tmp_path}/none-*.log"]).notes == [f"paths {tmp_path}/none-*.log: no file matches"]
    with pytest.raises(UserError, match="there is no file"):
        scan(paths=[str(tmp_path / "none.log")])
    with pytest.raises(UserError, match="no engine answers"):
        scan(containers=["web"])
    with pytest.raises(UserError, match="not a local socket"):
        run(Options(docker_host="tcp://elsewhere:2375", cache=""))


def test_keywords_are_counted_by_line(tmp_path: Path, scan: Callable[..., ScanReport]) -> None:
    log = tmp_path / "app.log"
    log.write_text("Invalid token, no Token given\nthe PASSWORD and the secret\nnothing\n")
    for engine in ("auto", "python"):
        report = scan(paths=[str(log)], keywords="report", engine=engine)
        assert (report.keyword_lines, report.keywords) == (2, {"token": 1, "password": 1, "secret": 1})
        assert not report.findings


def test_the_journal_of_a_unit(
    tmp_path: Path, scan: Callable[..., ScanReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for journalctl: text, bytes that are no text, two messages in one; nothing after the cursor.

    What was logged is on its way, and there once somebody waits for it.
    """
    messages: list[Any] = [f"plain {SECRET}", list(b"\xff " + OTHER.encode()), ["one", "acme_aaaabbbb1234"], None]
    entries = [
        {"MESSAGE": message, "__REALTIME_TIMESTAMP": f"{1767323045123456 + n}", "__CURSOR": f"c{n}"}
        for n, message in enumerate(messages)
    ]
    (tmp_path / "on-its-way").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    tool = tmp_path / "journalctl"
    tool.write_text(
        f"#!/bin/sh\ncd {tmp_path}\n"
        'case "$*" in --sync) cp on-its-way entries ;; *--after-cursor=c3*) ;; *) cat entries ;; esac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    rule = {"id": "acme", "title": "Acme", "pattern": "acme_[a-z0-9]{12}"}
    options: dict[str, Any] = {
        "journal_units": ["app.service"],
        "secrets": {"A": SECRET, "B": OTHER},
        "rules": [rule],
        "state_file": str(tmp_path / "state.json"),
    }
    report = scan(**options)
    assert sorted(f.title for f in report.findings) == ["Acme", "Value of A", "Value of B"]
    assert report.findings[0].time.startswith("2026-01-02T03:04:05.12345")
    again = scan(**options)
    assert again.bytes_scanned == 0
    assert len(again.findings) == 3


def test_a_line_that_begins_like_a_time_and_is_none_is_searched() -> None:
    token = "dop_v1_" + "0123456789abcdef" * 4
    report = run(
        Options(
            texts={"log": f"2026-13-45 99:99:99 {token}\n"}, since="2026-01-01T00:00:00Z", engine="python", cache=""
        )
    )
    assert [finding.rule for finding in report.findings] == ["digitalocean-pat"]


def test_a_task_of_a_swarm_is_read_from_whichever_node_it_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "/tasks/{}": {"ID": "task1", "ServiceID": "s", "Slot": 2, "Spec": {"ContainerSpec": {}}},
        "/services/{}": {"Spec": {"Name": "crm_blue-web"}},
    }

    def get(self: DockerApi, path: str, *names: str, **query: str) -> Any:
        if path not in answers:
            raise DockerError(f"No such container: {names[0]}")
        return answers[path]

    def task_logs(self: DockerApi, task: str, since: str) -> Any:
        yield "stdout", f"2026-01-01T00:00:01.5Z key {SECRET}\n".encode()

    monkeypatch.setattr(DockerApi, "get", get)
    monkeypatch.setattr(DockerApi, "task_logs", task_logs)
    report = run(Options(containers=["task1"], secrets={"KEY": SECRET}, engine="python", write=False))
    assert [finding.source for finding in report.findings] == ["task crm_blue-web.2"]
    del answers["/tasks/{}"]
    with pytest.raises(UserError, match="there is no container 'task1' on this host"):
        run(Options(containers=["task1"], secrets={"KEY": SECRET}, engine="python", write=False))
