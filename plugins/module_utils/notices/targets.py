# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where notices go: the settings, checked, and what each kind of target is sent."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import smtplib
import ssl
import string
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from ..errors import UserError, nearest

Notice = Mapping[str, str]
_COMMON = ("kind", "events", "stacks", "title", "text")
_FIELDS = ("host", "stack", "event", "at", "title", "text")
# By kind: what it must be given, and what it may.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "slack": (("url",), ()),
    "mattermost": (("url",), ()),
    "discord": (("url",), ()),
    "telegram": (("token", "chat"), ("url",)),
    "ntfy": (("url",), ("token",)),
    "webhook": (("url",), ("token",)),
    "email": (("host", "to", "from"), ("port", "username", "password", "tls")),
}
SECRET = ("url", "token", "password")
_TLS = ("starttls", "tls", "none")
_SECONDS = 10


def checked(targets: Sequence[Any]) -> list[dict[str, Any]]:
    """The targets as they are kept.

    Raises:
        UserError: One is wrong; none of its values is in the message.
    """
    return [_target(told, f"docker_host_notify[{number}]") for number, told in enumerate(targets)]


def _target(told: Any, where: str) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        raise UserError(f"{where}: expected a mapping with kind")
    target = {str(key): value for key, value in told.items() if value not in (None, "", [])}
    kind = str(target.get("kind", ""))
    if kind not in KINDS:
        raise UserError(f"{where}.kind: it is none of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    needed, further = KINDS[kind]
    for key in target:
        if key not in (*_COMMON, *needed, *further):
            raise UserError(f"{where}: {kind} has no key {key!r}{nearest(key, (*_COMMON, *needed, *further))}")
    for key in needed:
        if key not in target:
            raise UserError(f"{where}.{key} is missing; {kind} needs {', '.join(needed)}")
    if "url" in target and urlsplit(str(target["url"])).scheme not in ("http", "https"):
        raise UserError(f"{where}.url: this is no address that begins with https://")
    if target.get("tls", _TLS[0]) not in _TLS:
        raise UserError(f"{where}.tls: it is none of {', '.join(_TLS)}")
    for key in ("title", "text"):
        if key in target:
            _check_template(target[key], f"{where}.{key}")
    for key in ("events", "stacks", "to"):
        if isinstance(target.get(key), str):
            target[key] = [target[key]]
    return target


def _check_template(template: Any, where: str) -> None:
    try:
        parts = list(string.Formatter().parse(template)) if isinstance(template, str) else None
    except ValueError:
        parts = None
    if parts is None:
        raise UserError(f"{where}: expected a text with fields such as {{title}}; a brace itself is doubled")
    for _text, name, form, conversion in parts:
        if name is not None and (name not in _FIELDS or form or conversion):
            raise UserError(
                f"{where}: there is no field {{{name}}}{nearest(name, _FIELDS)}; they are {', '.join(_FIELDS)}"
            )


def identity(target: Mapping[str, Any]) -> str:
    """What stands for a target where a notice is for it alone; another address is another target."""
    return hashlib.sha256(json.dumps(target, sort_keys=True).encode()).hexdigest()


def wants(target: Mapping[str, Any], notice: Notice) -> bool:
    """Whether the target is to be told: by patterns of events, and by stacks, where it names some."""
    if notice.get("only") and identity(target) not in notice["only"].split():
        return False
    stacks = target.get("stacks")
    if stacks and notice["stack"] and notice["stack"] not in stacks:
        return False
    return any(fnmatch.fnmatchcase(notice["event"], str(pattern)) for pattern in target.get("events") or ["*"])


def send(target: Mapping[str, Any], notice: Notice) -> str:
    """Send a notice; why it did not arrive, without a word of the target's secrets; empty when it did."""
    notice = _worded(target, notice)
    try:
        _mail(target, notice) if target["kind"] == "email" else _post(target, notice)
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except urllib.error.URLError as error:
        return type(error.reason).__name__ if isinstance(error.reason, Exception) else "no answer"
    except smtplib.SMTPResponseException as error:
        return f"SMTP {error.smtp_code}"
    except Exception as error:
        # Whatever it is, its text may hold the address.
        return type(error).__name__
    return ""


def _worded(target: Mapping[str, Any], notice: Notice) -> Notice:
    """The notice in the target's own words, where it has some."""
    fields = {key: notice[key] for key in _FIELDS}
    said = {key: str(target[key]).format_map(fields) for key in ("title", "text") if key in target}
    if "title" in said:
        said["heading"] = said["title"] = " ".join(said["title"].split())
    return {**fields, **said}


def heading(notice: Notice) -> str:
    """One line: whom it is about, and what, unless the target says it otherwise."""
    if "heading" in notice:
        return notice["heading"]
    return f"[{' '.join(part for part in (notice['host'], notice['stack']) if part)}] {notice['title']}"


def request_of(target: Mapping[str, Any], notice: Notice) -> tuple[str, dict[str, Any]]:
    """The address, and what is posted to it as JSON."""
    kind, url = target["kind"], str(target.get("url", ""))
    whole = f"{heading(notice)}\n{notice['text']}".strip()
    if kind == "webhook":
        return url, {key: notice[key] for key in _FIELDS}
    if kind == "discord":
        # What stands for everybody there is a word here.
        return url, {"content": whole[:1990], "allowed_mentions": {"parse": []}}
    if kind == "telegram":
        place = url or "https://api.telegram.org"
        return f"{place}/bot{target['token']}/sendMessage", {"chat_id": str(target["chat"]), "text": whole[:4000]}
    if kind == "ntfy":
        place, _slash, topic = url.rstrip("/").rpartition("/")
        urgent = {"priority": 4} if notice["event"].endswith("failed") else {}
        return place, {"topic": topic, "title": heading(notice), "message": notice["text"] or notice["title"], **urgent}
    return url, {"text": whole}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A token goes nowhere but where it was meant for."""
        return


def _post(target: Mapping[str, Any], notice: Notice) -> None:
    url, told = request_of(target, notice)
    headers = {"Content-Type": "application/json", "User-Agent": "sluice"}
    if target["kind"] in ("ntfy", "webhook") and target.get("token"):
        headers["Authorization"] = f"Bearer {target['token']}"
    request = urllib.request.Request(url, json.dumps(told).encode(), headers)
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=_SECONDS) as answer:
        answer.read(1024)


def _mail(target: Mapping[str, Any], notice: Notice) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = heading(notice), target["from"], ", ".join(target["to"])
    message.set_content(notice["text"] or notice["title"])
    tls = target.get("tls", _TLS[0])
    port = int(target.get("port") or {"tls": 465, "starttls": 587, "none": 25}[tls])
    context = ssl.create_default_context()
    client: smtplib.SMTP
    if tls == "tls":
        client = smtplib.SMTP_SSL(target["host"], port, timeout=_SECONDS, context=context)
    else:
        client = smtplib.SMTP(target["host"], port, timeout=_SECONDS)
    with client:
        if tls == "starttls":
            client.starttls(context=context)
        if target.get("username"):
            client.login(str(target["username"]), str(target.get("password", "")))
        client.send_message(message)
