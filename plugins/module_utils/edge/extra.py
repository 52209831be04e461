# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directives of a user's own: they stay within their site's servers, whatever nginx says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import UserError

# These say what a server is, bring in what was not read here, or write where they like.
_NOT_HERE = re.compile(
    r"listen|server_name|server|http|stream|include|load_module|ssl_certificate.*|ssl_.*key.*|.*_log|.*_temp_path"
    r"|client_body_in_file_only|.*_store|.*_store_access|proxy_cache_path|dav_.*|(js|lua|perl)_.*|.*_by_lua.*|perl|js.*"
)
_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)|(?P<mark>[;{}])|(?P<word>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
    r"""|(?:[^\s;{}"'\\$\#]|\\.|\$\{\w+\}|\$)(?:[^\s;{}\\$]|\\.|\$\{\w+\}|\$)*)""",
    re.DOTALL,
)


def check_extra(text: str, where: str) -> None:
    """It is whole directives, none of which leaves its place.

    Raises:
        UserError: A brace or a quote too few or too many, or a directive that has no place here.
    """
    depth, first, open_directive = 0, True, False
    for kind, token in _tokens(text, where):
        if kind == "word":
            if first and _NOT_HERE.fullmatch(token.strip("\"'").lower()):
                raise UserError(f"{where}: {token} has no place here; a directive of the site's servers has.")
            first, open_directive = False, True
            continue
        if (token == "}" and open_directive) or (token != "}" and not open_directive):
            raise UserError(f"{where}: a directive ends with a semicolon; one before {token!r} does not.")
        depth += {"{": 1, "}": -1, ";": 0}[token]
        if depth < 0:
            raise UserError(f"{where}: a brace is closed that was not opened.")
        first, open_directive = True, False
    if depth or open_directive:
        raise UserError(f"{where}: the last directive is not at an end; a semicolon or a brace is missing.")


def _tokens(text: str, where: str) -> Iterator[tuple[str, str]]:
    if re.search(r"[^\t\n\x20-\x7e\u00a1-\U0010ffff]", text):
        raise UserError(f"{where} may hold no control characters.")
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise UserError(f"{where}: cannot be read from {text[position : position + 20]!r} on.")
        position = found.end()
        if found["word"] and found["word"][0] in "\"'" and text[position : position + 1] not in tuple(" \t\n;{)"):
            raise UserError(f"{where}: something follows a closing quote of {found['word'][:20]!r}.")
        if not found["blank"]:
            yield ("mark" if found["mark"] else "word"), found[0]
