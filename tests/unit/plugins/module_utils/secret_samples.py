# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets and logs made up at run time, so that no token stands in the repository."""

from __future__ import annotations

import base64
import json
import random
import re
import string
import uuid
from pathlib import Path

from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.findings import Collector
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.judge import crc32_base62
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.known import KnownValues
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.readers import FileReader
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.rules import rules
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.scan import Log, Scanner
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import engines
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.plan import Plan

_LOWER = string.ascii_lowercase + string.digits
_ALPHABETS = {
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "lower": _LOWER,
    "upper": string.ascii_uppercase + string.digits,
    "letter": string.ascii_letters,
    "alnum": string.ascii_letters + string.digits,
    "word": string.ascii_letters + string.digits + "_-",
    "b64": string.ascii_letters + string.digits + "+/",
    "base32": string.ascii_uppercase + "234567",
    "BECH32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
_SLOT = re.compile(r"<(\w+)(?::(\w+))?>")


def text(kind: str, length: int, source: random.Random) -> str:
    """Random characters of a class; the first and last are letters or digits, as in real tokens."""
    alphabet = _ALPHABETS[kind]
    plain = [char for char in alphabet if char.isalnum()]
    middle = "".join(source.choice(alphabet) for _ in range(max(0, length - 2)))
    return source.choice(plain) + middle + (source.choice(plain) if length > 1 else "")


def fill(template: str, source: random.Random) -> str:
    """An example of a rule with its slots filled."""

    def slot(match: re.Match[str]) -> str:
        kind, argument = match.groups()
        if kind == "uuid":
            return str(uuid.UUID(int=source.getrandbits(128), version=4))
        if kind == "basic":
            return base64.b64encode(f"app:{text('alnum', 16, source)}".encode()).decode()
        if kind == "check":
            body = text("alnum", 30, source)
            return f"{argument}{body}{crc32_base62(body)}"
        return text(kind, int(argument), source)

    return _SLOT.sub(slot, template)


def docker(line: str, stream: str = "stdout", time: str = "2026-01-02T03:04:05.123456789Z", end: str = "\n") -> bytes:
    """A record as Docker's json-file driver writes it."""
    record = json.dumps({"log": line + end, "stream": stream, "time": time}, separators=(",", ":"))
    for char in "<>&":
        record = record.replace(char, f"\\u{ord(char):04x}")
    return record.encode() + b"\n"


def docker_pieces(line: str, **record: str) -> bytes:
    """A long line as Docker cuts it up."""
    data = line.encode()
    pieces = [data[i : i + 16384].decode("utf-8", "replace") for i in range(0, len(data), 16384)]
    return b"".join(docker(piece, end="", **record) for piece in pieces[:-1]) + docker(pieces[-1], **record)


def local_entry(line: bytes, stream: str = "stdout", nanos: int = 1767323045123456789, partial: bool = False) -> bytes:
    """An entry as Docker's local driver writes it."""

    def varint(number: int) -> bytes:
        out = b""
        while number > 0x7F:
            out += bytes([number & 0x7F | 0x80])
            number >>= 7
        return out + bytes([number])

    name = stream.encode()
    message = b"\x0a" + varint(len(name)) + name + b"\x10" + varint(nanos) + b"\x1a" + varint(len(line)) + line
    message += b"\x20\x01" if partial else b""
    size = len(message).to_bytes(4, "big")
    return size + message + size


def rules_hit(log: Path, engine: str) -> list[str]:
    """The rules that find something in a log of Docker's."""
    plan = Plan(rules.load(), KnownValues({}))
    collector = Collector(b"k" * 32)
    Scanner(plan, lambda: engines.make(plan, engine), collector).scan(Log("log", "json-file", FileReader(log)))
    return [finding.rule for finding in collector.results()]
