# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes plain data as YAML that reads as if a person had written it.

Servers have no PyYAML, and a Compose file wants block style, stable order and quotes only where needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# Words and numbers stay bare only where every YAML reader takes them for text.
_BARE = re.compile(r"(?:\./)?[A-Za-z_/][A-Za-z0-9_./@=${}-]*(?::[A-Za-z0-9_./@=${}-]+)*|[0-9]+(?:ms|s|m|h|d|g|k)")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")

_ENTRY = re.compile(r' *(?:"(?:[^"\\]|\\.)*"|[^:" ]+): ("(?:[^"\\]|\\.)*"|[^"\[{].*)')
_SHORT = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9a-f]{2})")


def to_yaml(value: Mapping[str, Any]) -> str:
    """The document, with a line feed at its end."""
    return "\n".join(_block(value, 0)) + "\n"


def texts_of(document: str) -> list[str]:
    """The texts of two characters or more that stand beside a key, in a document that `to_yaml` wrote."""
    found = []
    for line in document.splitlines():
        match = _ENTRY.fullmatch(line)
        if match and match[1][0] == '"':
            # JSON has no short form for a character's number.
            found.append(str(json.loads(_SHORT.sub(r"\1\\u00\2", match[1]))))
        elif match:
            found.append(match[1])
    return [text for text in found if len(text) > 1]


def _block(value: Any, indent: int) -> list[str]:
    pad = "  " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            head = f"{pad}{_scalar(str(key))}:"
            if isinstance(item, (Mapping, list, tuple)) and item and not _inline(item):
                lines += [head, *_block(item, indent + 1)]
            else:
                lines.append(f"{head} {_scalar(item)}")
    else:
        for item in value:
            if isinstance(item, (Mapping, list, tuple)) and item:
                first, *rest = _block(item, indent + 1)
                lines += [f"{pad}- {first.lstrip()}", *rest]
            else:
                lines.append(f"{pad}- {_scalar(item)}")
    return lines


def _inline(value: Any) -> bool:
    """A command is easier to read on one line."""
    return isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value) and value[0] in ("CMD", "NONE")


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_quoted(v) for v in value)}]"
    text = str(value)
    return text if _BARE.fullmatch(text) and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    return _UNPRINTABLE.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
