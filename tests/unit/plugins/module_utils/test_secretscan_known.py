# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment's own values are found in every form they leak in, and nothing shows them."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import shlex
import string
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import Options, run
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.findings import Collector, Finding
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.known import KnownValues
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.readers import BytesReader, FileReader
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.records import Kind
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.scan import Log, Scanner
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import engines
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.plan import Plan
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.engine_ways import WAYS, going
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.secret_samples import (
    docker,
    docker_pieces,
    local_entry,
)

_CHARS = string.ascii_letters + string.digits + string.punctuation + " é€"
VALUES = st.one_of(
    st.text(string.ascii_letters + string.digits, min_size=8, max_size=40),
    st.text(string.punctuation, min_size=8, max_size=24),
    st.text(_CHARS, min_size=8, max_size=40),
    st.builds("{}{}".format, st.text(string.ascii_letters, min_size=8, max_size=20), st.text(_CHARS, max_size=20)),
)
_URL_BYTE = re.compile("%..")


def _quoted(characters: str, value: str) -> str:
    return re.sub(f"([{re.escape(characters)}])", r"\\\1", value)


def _environment(value: str) -> bytes:
    """What a container's environment says, so that a code's lines end anywhere in the value."""
    return f"PATH=/usr/bin\nHOME={'/home' * (len(value) % 13)}\nKEY={value}\nSHLVL=1\n".encode()


def _wrapped(code: str, width: int) -> str:
    return "\n".join(code[place : place + width] for place in range(0, len(code), width))


def _either_case(text: str) -> str:
    """Each letter small or a capital, as chance has it."""
    chance = random.Random(text)
    return "".join(chance.choice((c.lower(), c.upper())) for c in text)


def _hexdump(data: bytes) -> str:
    """As `hexdump -C` writes it."""
    rows = []
    for place in range(0, len(data), 16):
        row = [f"{byte:02x}" for byte in data[place : place + 16]]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data[place : place + 16])
        rows.append(f"{place:08x}  {' '.join(row[:8])}  {' '.join(row[8:]):23}  |{shown}|")
    return "\n".join(rows)


def _xxd(data: bytes) -> str:
    rows = []
    for place in range(0, len(data), 16):
        row = [data[pair : pair + 2].hex() for pair in range(place, min(place + 16, len(data)), 2)]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data[place : place + 16])
        rows.append(f"{place:08x}: {' '.join(row):39}  {shown}")
    return "\n".join(rows)


ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "url": lambda v: quote(v, safe=""),
    "url, path kept": quote,
    "url, small digits": lambda v: _URL_BYTE.sub(lambda found: found[0].lower(), quote(v, safe="")),
    "url, of a browser": lambda v: quote(v, safe="!'()*"),
    "url, twice": lambda v: quote(quote(v, safe=""), safe=""),
    "form": quote_plus,
    "json": json.dumps,
    "json, not ascii": lambda v: json.dumps(v, ensure_ascii=False),
    "json in json": lambda v: json.dumps(json.dumps({"value": v})),
    "json in a url": lambda v: quote(json.dumps({"value": v})),
    "html": html.escape,
    "html in json": lambda v: json.dumps(html.escape(v)),
    "shell": shlex.quote,
    "shell, double quotes": lambda v: f'"{_quoted(chr(92) + chr(34) + "$`", v)}"',
    "shell, backslashes": lambda v: re.sub(r"([^\w@%+=:,./-])", r"\\\1", v),
    "SQL": lambda v: "'" + v.replace("'", "''") + "'",
    "SQL of MySQL": lambda v: "'" + _quoted("\\'", v) + "'",
    "SQL in json": lambda v: json.dumps("'" + v.replace("'", "''") + "'"),
    "YAML, single quotes": lambda v: "'" + v.replace("'", "''") + "'",
    "CSV": lambda v: '"' + v.replace('"', '""') + '"',
    "Compose's .env": lambda v: v.replace("$", "$$"),
    "Python": repr,
    "Python's bytes": lambda v: repr(v.encode()),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 of user and value": lambda v: base64.b64encode(b"app:" + v.encode()).decode(),
    "base64, second place": lambda v: base64.b64encode(b"x" + v.encode() + b"y").decode(),
    "base64, third place": lambda v: base64.b64encode(b"xy" + v.encode() + b"zz").decode(),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(b"{" + v.encode()).decode().rstrip("="),
    "base64 of json": lambda v: base64.b64encode(json.dumps({"pw": v}).encode()).decode(),
    "base64 in lines": lambda v: _wrapped(base64.b64encode(_environment(v)).decode(), 76),
    "base64 in short lines": lambda v: _wrapped(base64.b64encode(_environment(v)).decode(), 64),
    "base32": lambda v: base64.b32encode(v.encode()).decode(),
    "base32 in lines": lambda v: _wrapped(base64.b32encode(_environment(v)).decode(), 76),
    "hex": lambda v: v.encode().hex(),
    "HEX": lambda v: v.encode().hex().upper(),
    "hex in either case": lambda v: _either_case(v.encode().hex()),
    "base32 in either case": lambda v: _either_case(base64.b32encode(v.encode()).decode()),
    "hex in lines in either case": lambda v: _wrapped(_either_case(_environment(v).hex()), 60),
    "hexdump in either case": lambda v: _either_case(_hexdump(_environment(v))),
    "hex in lines": lambda v: _wrapped(_environment(v).hex(), 60),
    "hexdump": lambda v: _hexdump(_environment(v)),
    "xxd": lambda v: _xxd(_environment(v)),
}
# Where in a log a text stands: as it is, in a line of its own or within one, and as Docker's drivers keep it.
PLACES: dict[str, Callable[[list[str]], bytes]] = {
    "text": lambda lines: "\n".join(["before", *lines, "after\n"]).encode(),
    "within a line": lambda lines: f"before {(chr(10)).join(lines)} after\n".encode(),
    "json-file": lambda lines: b"".join(docker(line) for line in ["before", *lines, "after"]),
    "local": lambda lines: b"".join(local_entry(line.encode()) for line in ["before", *lines, "after"]),
    "cut by Docker": lambda lines: b"".join(docker_pieces("." * (16384 - 4) + " " + line) for line in lines),
}


class _Report(NamedTuple):
    """What these tests ask of a scan's report."""

    findings: list[Finding]
    too_short: list[str]


def _findings(engine: str, log: Log, secrets: dict[str, str]) -> _Report:
    """Scan for known values alone, which needs no rules compiled."""
    plan = Plan((), KnownValues(secrets))
    collector = Collector(b"k" * 32)
    scanner = Scanner(plan, lambda: engines.make(plan, engine), collector)
    scanner.scan(log)
    return _Report(collector.results(), plan.known.too_short)


def _scan(engine: str, text: str, secrets: dict[str, str]) -> _Report:
    return _findings(engine, Log("text log", "text", BytesReader(text.encode())), secrets)


def _scan_file(engine: str, path: Path, secrets: dict[str, str], kind: Kind = "json-file") -> _Report:
    return _findings(engine, Log("container x", kind, FileReader(path)), secrets)


def _known(report: _Report) -> list[str]:
    return [f.title for f in report.findings if f.rule == "known-value"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=8, derandomize=True)
@given(value=VALUES, place=st.sampled_from(sorted(PLACES)))
def test_every_encoding_is_found_wherever_it_stands(encoding: str, value: str, place: str) -> None:
    value = value.strip()
    assume(len(value) >= 8 and len(set(value)) > 2)
    lines = ENCODINGS[encoding](value).split("\n")
    # What Docker cuts at a byte of a character is no character any more, and lines as short are not cut.
    assume(place != "cut by Docker" or (value.isascii() and len(lines) == 1))
    kind: Kind = place if place in ("json-file", "local") else "json-file" if "Docker" in place else "text"  # type: ignore[assignment]
    for way in WAYS:
        with going(way) as engine:
            report = _findings(engine, Log("text log", kind, BytesReader(PLACES[place](lines))), {"KEY": value})
        assert _known(report) == ["Value of KEY"], (way, encoding)
        _assert_hidden(report, value)


def _assert_hidden(report: _Report, secret: str) -> None:
    """No six characters of the secret in a row stand in anything that is printed."""
    shown = repr([list(f.public().values()) for f in report.findings]).replace("KEY", "")
    for start in range(len(secret) - 5):
        piece = secret[start : start + 6]
        assert piece not in shown or piece in repr(_TEMPLATE), f"characters {start} to {start + 6} are shown"


_TEMPLATE = [
    "Value of ",
    "known-value",
    "text log",
    "before",
    "[20 characters]",
    "2026-01-02T03:04:05.123456789Z",
    "stdout",
]


@pytest.mark.parametrize("encoding", ["raw", "url", "json", "base64", "hex"])
def test_a_value_cut_by_docker_is_found(tmp_path: Path, engine: str, encoding: str) -> None:
    value = "q9Zr4mPw7Xc2Lk8Bv5Nt"
    text = ENCODINGS[encoding](value)
    for cut in (1, 5, len(text) // 2, len(text) - 1):
        line = "." * (16384 - cut) + text + " and more"
        log = tmp_path / f"{encoding}-{cut}-json.log"
        log.write_bytes(docker("first") + docker_pieces(line) + docker("last"))
        report = _scan_file(engine, log, {"KEY": value})
        assert _known(report) == ["Value of KEY"], cut
        assert report.findings[0].count == 1


def test_pieces_of_both_streams_between_each_other(tmp_path: Path, engine: str) -> None:
    value = "q9Zr4mPw7Xc2Lk8Bv5Nt"
    first, second = docker_pieces("." * 16374 + value).splitlines(keepends=True)
    other = docker("y" * 20000, stream="stderr")
    log = tmp_path / "x-json.log"
    log.write_bytes(first + other + second)
    assert _known(_scan_file(engine, log, {"KEY": value})) == ["Value of KEY"]


def test_the_local_drivers_entries(tmp_path: Path, engine: str) -> None:
    value = "q9Zr4mPw7Xc2Lk8Bv5Nt"
    log = tmp_path / "container.log"
    filler = b"".join(local_entry(b"line %d" % n) for n in range(50))
    cut = local_entry(b"z" * 16374 + value[:10].encode(), partial=True) + local_entry(value[10:].encode())
    log.write_bytes(filler + local_entry(f"raw {value}".encode(), stream="stderr") + cut)
    report = _scan_file(engine, log, {"KEY": value}, "local")
    assert _known(report) == ["Value of KEY"]
    (finding,) = report.findings
    assert (finding.count, finding.stream, finding.time) == (2, "stderr", "2026-01-02T03:04:05.123456789Z")
    assert finding.offset == len(filler)


@pytest.mark.parametrize("encoding", ["base64", "base64 for URLs", "hex", "HEX"])
def test_a_value_after_a_part_of_it_is_found(engine: str, encoding: str) -> None:
    """The part holds what is searched for; only the whole is a leak."""
    value = "q9Zr4mPw7Xc2Lk8Bv5Nt#a1"
    part, whole = ENCODINGS[encoding](value[:-3]), ENCODINGS[encoding](value)
    for between in (" ", "." * 100, " and " * 2000):
        assert not _known(_scan(engine, f"got {part}{between}", {"KEY": value}))
        assert _known(_scan(engine, f"got {part}{between}{whole} once", {"KEY": value})) == ["Value of KEY"]


def test_short_values_are_named_and_not_searched_for() -> None:
    report = _scan("auto", "a b c 1234567", {"PIN": "1234567", "EMPTY": "", "LONG": "x7Kp2mQ9"})
    assert report.too_short == ["EMPTY", "PIN"]
    assert not report.findings


def test_300_secrets_at_once(engine: str) -> None:
    source = random.Random(1)
    values = {f"S{n}": "".join(source.choices(string.ascii_letters + string.digits, k=20)) for n in range(300)}
    report = _scan(engine, "\n".join(values.values()), values)
    assert sorted(_known(report)) == sorted(f"Value of {name}" for name in values)


def test_a_private_key_leaks_line_by_line() -> None:
    source = random.Random(2)
    lines = ["".join(source.choices(string.ascii_letters + string.digits + "+/", k=64)) for _ in range(9)]
    pem = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END PRIVATE KEY-----\n"
    report = _scan("auto", f"some line\n{lines[1]}\nother", {"TLS_KEY": pem})
    assert _known(report) == ["Value of TLS_KEY"]


def test_two_names_of_one_value_are_both_reported() -> None:
    report = _scan("auto", "x7Kp2mQ9vB3n", {"A": "x7Kp2mQ9vB3n", "B": "x7Kp2mQ9vB3n"})
    assert set(_known(report)) == {"Value of A", "Value of B"}


def test_secrets_from_files_on_the_host(tmp_path: Path) -> None:
    (tmp_path / "app_secret").write_text("x7Kp2mQ9vB3n\n")
    cache = str(tmp_path / "cache")
    report = run(Options(texts={"log": "got x7Kp2mQ9vB3n"}, secret_files=[f"{tmp_path}/app*"], cache=cache))
    assert _known(report) == ["Value of app_secret"]
    with pytest.raises(UserError, match="no file matches"):
        run(Options(texts={"log": ""}, secret_files=[f"{tmp_path}/none-*"]))


def test_options_do_not_show_secrets_when_printed() -> None:
    options = Options(secrets={"A": "x7Kp2mQ9vB3n"}, texts={"t": "x7Kp2mQ9vB3n"}, fingerprint_key="x7Kp2mQ9vB3n")
    assert "x7Kp2m" not in repr(options)


@pytest.mark.parametrize(
    "spelling", ["p%2faB3%24xY7%21kL9", "p%2FaB3%24xY7!kL9", "p/aB3$xY7!kL9", "cC9hQjMkeFk3IWtMOQ=="]
)
def test_a_value_with_symbols_is_found_as_each_encoder_writes_it(spelling: str) -> None:
    secrets = {"db": "p/aB3$xY7!kL9"}
    report = run(Options(texts={"log": f"got {spelling} here\n"}, secrets=secrets, engine="python", cache=""))
    assert "known-value" in {finding.rule for finding in report.findings}


def test_the_lines_of_a_configuration_file_are_no_secrets() -> None:
    config = "listener 1883 0.0.0.0\nlog_dest stdout everything\npersistence_location /mosquitto/data\n"
    log = "opening persistence_location /mosquitto/data\n"
    report = run(Options(texts={"log": log}, secrets={"mosquitto.conf": config}, engine="python", cache=""))
    assert report.findings == []
