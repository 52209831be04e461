# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A log's records: what was logged, on which stream, and when."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Literal, NamedTuple

from . import decode

Kind = Literal["text", "json-file", "local", "framed"]

# Docker cuts a line of a container's output into pieces of this many bytes.
PIECE = 16384

# Without the wrapper's checks, which take longer than the parsing.
_parse_json = json.JSONDecoder().raw_decode

_TIME = re.compile(r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)")
_PARTS = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s?(Z|[+-]\d\d:?\d\d)?")
_JSON_TAIL = re.compile(r'(\\n)?","stream":"(\w+)"(?:,"attrs":.*)?,"time":"([^"]+)"\}\s*$')


class Record(NamedTuple):
    """One entry of a log."""

    text: str
    stream: str = ""
    time: str = ""
    complete: bool = True


class Around(NamedTuple):
    """The records before and after one, as bytes until they are asked for; another stream's may stand between them."""

    kind: Kind
    stream: str
    raws_before: tuple[bytes, ...] = ()
    raws_after: tuple[bytes, ...] = ()

    def before(self) -> tuple[str, ...]:
        """What those of the same stream before it say."""
        return self._texts(self.raws_before)

    def after(self) -> tuple[str, ...]:
        """What those of the same stream after it say."""
        return self._texts(self.raws_after)

    def _texts(self, raws: tuple[bytes, ...]) -> tuple[str, ...]:
        found = (parse(self.kind, raw) for raw in raws)
        return tuple(record.text.rstrip("\n") for record in found if record.stream == self.stream)


NOTHING_AROUND = Around("text", "")


def parse(kind: Kind, raw: bytes) -> Record:
    """A record from its bytes; never fails, whatever they are."""
    if kind == "json-file":
        return _json_file(raw)
    if kind == "local":
        return _local(raw)
    if kind == "framed":
        return _framed(raw)
    text = raw.decode("utf-8", "replace")
    stamp = _TIME.match(text)
    return Record(decode.strip_ansi(text.rstrip("\r\n")), "", stamp[1] if stamp else "")


def _json_file(raw: bytes) -> Record:
    try:
        source = raw.decode()
        data, end = _parse_json(source)
        if source[end:].strip():
            raise ValueError("more than one record")
        text = data["log"]
        return Record(
            decode.strip_ansi(text),
            str(data.get("stream", "")),
            str(data.get("time", "")),
            text.endswith("\n"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # A record that is cut off, or a window on a long one: what is there, unescaped once.
        text = raw.decode("utf-8", "replace")
        tail = _JSON_TAIL.search(text[-400:])
        stream, time, ended = (tail[2], tail[3], bool(tail[1])) if tail else ("", "", True)
        if tail:
            text = text[: len(text) - len(tail[0])]
        text = text.removeprefix('{"log":"')
        return Record(decode.strip_ansi(decode.unescape_json(text)), stream, time, ended)


def _framed(raw: bytes) -> Record:
    """Our own form for what an API delivers: stream, time and text with tabs between."""
    stream, _tab, rest = raw.decode("utf-8", "replace").partition("\t")
    time, tab, text = rest.partition("\t")
    if not tab:
        stream, time, text = "", "", raw.decode("utf-8", "replace")
    return Record(decode.strip_ansi(text.rstrip("\r\n")), stream, time)


def _local(raw: bytes) -> Record:
    """An entry of Docker's local driver: a protobuf message between two lengths."""
    stream, nanos, line, partial = "", 0, b"", False
    position, end = 4, len(raw) - 4
    while position < end:
        key, position = _varint(raw, position)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(raw, position)
            nanos, partial = (value if field == 2 else nanos), (bool(value) if field == 4 else partial)
        elif wire == 2:
            size, position = _varint(raw, position)
            data = raw[position : min(position + size, end)]
            position += size
            stream, line = (
                (data.decode("utf-8", "replace") if field == 1 else stream),
                (data if field == 3 else line),
            )
        else:
            line = raw[4:end]
            break
    text = decode.strip_ansi(line.decode("utf-8", "replace"))
    return Record(text, stream, rfc3339(nanos), not partial)


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(raw) and shift < 70:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, position


def rfc3339(nanos: int) -> str:
    """A time in nanoseconds since 1970 as Docker writes it; empty for none."""
    if not 0 < nanos < 253402300800 * 10**9:
        return ""
    whole = datetime.fromtimestamp(nanos // 10**9, timezone.utc)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}Z"


@lru_cache(maxsize=4096)
def moment(time: str) -> str:
    """A time in the one form that compares as text: UTC, nine digits of a second; empty if it is not a time."""
    match = _PARTS.match(time)
    if not match:
        return ""
    day, clock, fraction, zone = match.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError:
        # The form of a time, and no day or hour that there is.
        return ""
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        offset = timedelta(hours=hours, minutes=minutes)
        whole += offset if zone[0] == "-" else -offset
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{(fraction or '')[:9].ljust(9, '0')}Z"
