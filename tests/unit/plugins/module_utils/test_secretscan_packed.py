# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs that were packed, rotated by day or written in UTF-16 are read, and what is not read is said."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import Options, ScanReport, run
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs import unpacking
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.logfiles import chain

SECRET = "x7Kp2mQ9vB3n"
LOG = b"starting\n" + b"all is well\n" * 20_000 + b"got " + SECRET.encode() + b"\nstarted\n"


def _zip(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.log", b"nothing here")
        archive.writestr("second.log", data)
    return packed.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "bz2 of two": lambda data: bz2.compress(data[:1000]) + bz2.compress(data[1000:]),
    "xz": lzma.compress,
    "zip": _zip,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16, large first": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
}


def _scan(path: Path) -> ScanReport:
    return run(Options(paths=[str(path)], secrets={"A": SECRET}, cache="", engine="python", disable_rules=()))


def _found(report: ScanReport) -> list[str]:
    return [finding.title for finding in report.findings if finding.rule == "known-value"]


@pytest.mark.parametrize("form", PACKED)
def test_a_packed_log_is_read(tmp_path: Path, form: str) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(PACKED[form](LOG))
    report = _scan(log)
    assert (_found(report), report.notes) == (["Value of A"], [])


def test_a_log_of_zstd_is_read_where_the_host_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "app.log.zst"
    if shutil.which("zstd"):
        log.write_bytes(subprocess.run(["zstd", "-cq"], input=LOG, capture_output=True, check=True).stdout)
        assert _found(_scan(log)) == ["Value of A"]
    log.write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 100)
    monkeypatch.setenv("PATH", str(tmp_path))
    (note,) = _scan(log).notes
    assert "zstd, which this host has not" in note


@pytest.mark.parametrize("form", ["gz", "bz2", "xz", "zip"])
@pytest.mark.parametrize("fault", ["cut off", "damaged"])
def test_what_cannot_be_unpacked_is_said(tmp_path: Path, form: str, fault: str) -> None:
    log = tmp_path / "app.log"
    data = bytearray(PACKED[form](bytes(range(256)) * 40 + LOG))
    middle = len(data) // 2
    log.write_bytes(data[:middle] if fault == "cut off" else data[:middle] + b"\xff" * 50 + data[middle + 50 :])
    (note,) = _scan(log).notes
    assert f"{log} is damaged or cannot be unpacked" in note


@pytest.mark.parametrize("head", [b"\x04\x22\x4d\x18", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x1f\x9d"])
def test_what_no_tool_here_unpacks_is_said(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "app.log").write_bytes(head + b"x" * 100)
    assert "cannot be unpacked" in _scan(tmp_path / "app.log").notes[0]


def test_a_directory_is_said_not_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(LOG)
    assert "is a directory and not read" in _scan(tmp_path).notes[0]
    assert _found(_scan(tmp_path / "**")) == ["Value of A"]


def test_logs_rotated_by_day_are_read_with_their_log(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    for name in (
        "app.log",
        "app.log-20261126",
        "app.log-20261125.gz",
        "app.log.2026-11-24",
        "app.log.1",
        "app.log.2.xz",
    ):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "app.log-notes").write_bytes(b"x")
    assert [path.name.removeprefix("app.log") for path in chain(log)] == [
        *(".2.xz", ".1", ".2026-11-24", "-20261125.gz", "-20261126", "")
    ]
    (tmp_path / "app.log-20261126").write_bytes(LOG)
    assert _found(_scan(log)) == ["Value of A"]
    assert run(Options(paths=[f"{tmp_path}/app.log*"], cache="", engine="python")).scanned == [
        f"file {log}",
        f"file {log}-notes",
    ]


def test_unpacking_takes_little_memory_at_a_time() -> None:
    for form, pack in PACKED.items():
        data = pack(b"a" * 30_000_000)
        unpack = unpacking.of(data[: unpacking.TELLING])
        assert unpack, form
        assert max(map(len, unpack(io.BytesIO(data)))) <= 1 << 18, form
