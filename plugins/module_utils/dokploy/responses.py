# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Dokploy's answers mean: data, or one sentence that says what to do."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from ..errors import DokployError, MissingProcedureError
from ..secretvalues.redaction import mask_private_keys
from .explain import last_reason

_TITLE = re.compile(r"<title[^>]*>\s*(.*?)\s*</title>", re.IGNORECASE | re.DOTALL)


def read_answer(procedure: str, status: int, content_type: str, body: bytes, location: str = "") -> Any:
    """The JSON of an answer; None for an empty one.

    Raises:
        DokployError: The answer is not the API's, or it is an error.
    """
    if 300 <= status < 400:
        raise DokployError(
            f"url redirects {procedure} to {location or 'another address'}; set url to the final address, "
            "since an API key is never sent along a redirect",
            status=status,
        )
    text = body.decode("utf-8", "replace")
    data: Any = None
    parsed = False
    with contextlib.suppress(ValueError, RecursionError):
        data, parsed = json.loads(text), True
    if status < 300 and (parsed or not text.strip()):
        return data
    if not parsed and _is_page(content_type, text):
        raise DokployError(_page_message(procedure, status, text), status=status, temporary=status in (502, 503, 504))
    raise _api_error(procedure, status, data if isinstance(data, dict) else {}, text)


def _is_page(content_type: str, text: str) -> bool:
    return "html" in content_type.lower() or text.lstrip()[:1] == "<"


def _page_message(procedure: str, status: int, text: str) -> str:
    title = _TITLE.search(text)
    named = f" titled {title.group(1)[:80]!r}" if title else ""
    return (
        f"url answered {procedure} with an HTML page{named} (status {status}) instead of JSON; "
        "point url at the Dokploy server itself, not at a proxy, a login page or a site it hosts"
    )


def _api_error(procedure: str, status: int, data: dict[str, Any], text: str) -> DokployError:
    message = _explain(data) or last_reason("" if data else text) or "no explanation that could be shown here"
    # Of a key that it does not know the server tells nothing, not even what was asked for.
    forbidden = status == 403 or bool(status == 401 and _mapping(data.get("data")).get("path"))
    if status == 401 and not forbidden:
        return DokployError(
            "Dokploy refused api_key (401): either the key is wrong, deleted or belongs to another server, "
            "or it was made with rate limiting on, which locks it after about five calls a day; "
            "make a key with rate limiting off",
            status=status,
        )
    code = str(data.get("code") or "")
    if status == 403 and ("ORIGIN" in code or procedure.startswith("auth/")):
        return DokployError(
            f"Dokploy refused {procedure} ({' '.join(['403', code]).strip()}): {message}; "
            "no proxy between may add cookies or an Origin header",
            status=status,
        )
    if forbidden:
        return DokployError(
            f"api_key's owner may not call {procedure} ({status}: {message}); use a key of the server's owner",
            status=status,
        )
    if status == 404 and not _mapping(data.get("data")).get("path") and procedure not in message:
        return MissingProcedureError(f"this Dokploy server has no {procedure} (404: {message})", status=status)
    if status == 413:
        return DokployError(f"{procedure}: the request is too large for Dokploy, which takes 1 MB (413)", status=status)
    return DokployError(
        f"Dokploy failed {procedure} ({status}): {message}",
        status=status,
        said=message,
        temporary=status in (429, 502, 503, 504),
    )


def _explain(data: dict[str, Any]) -> str:
    """The reason in an error body, with the fields that the server's validation complains about."""
    fields = _mapping(_mapping(_mapping(data.get("data")).get("zodError")).get("fieldErrors"))
    complaints = [
        f"{field}: {', '.join(map(str, texts))}" for field, texts in fields.items() if texts and isinstance(texts, list)
    ]
    if not complaints and isinstance(data.get("issues"), list):
        complaints = [
            f"{_path(issue.get('path'))}: {issue.get('message', '')}"
            for issue in data["issues"]
            if isinstance(issue, dict)
        ]
    message = str(data.get("message") or "")
    # Validation repeats its findings as a JSON text in message.
    parts = complaints if complaints and message.startswith("[") else [last_reason(message), *complaints]
    return mask_private_keys("; ".join(filter(None, parts)))[:600]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _path(value: Any) -> str:
    return ".".join(map(str, value)) if isinstance(value, list) else str(value or "")
