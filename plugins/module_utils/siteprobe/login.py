# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The login through the real proxy: what a green front page does not prove."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

from ..errors import UserError
from .encryption import trusted_for_secrets
from .model import Check, Found, Target
from .wire import Answer, fetch, strict_context

_MESSAGE_LIMIT = 200
_MASK = "***"
_NO_HEADER = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")


@dataclass
class Login:
    """The steps to a token, and every value that must not be told.

    A step holds `path`, `query`, `variables`, `headers` and `token`, a JMESPath into the answer. In variables
    and headers `${name}` stands for a secret, and `${token}` for what the step before has found.
    """

    steps: Sequence[Mapping[str, Any]]
    secrets: Mapping[str, str] = field(repr=False)
    tokens: list[str] = field(default_factory=list, repr=False)

    @property
    def hidden(self) -> list[str]:
        """Every value that must not be told."""
        return [*self.secrets.values(), *self.tokens]

    def check(self, target: Target) -> list[Check]:
        if not self.steps:
            return []
        return [Check("site.login", "Login through the proxy returns a token", lambda: self._look(target))]

    def _look(self, target: Target) -> Found:
        distrust = trusted_for_secrets(target)
        if distrust:
            return Found("skip", evidence=(f"no password is sent: {distrust}",))
        for number, step in enumerate(self.steps, 1):
            where = f"step {number}, {step['path']}"
            failure = self._step(target, step, where)
            if failure:
                return failure
        return Found(
            "pass",
            measured=f"token in {len(self.steps)} step{'s' if len(self.steps) > 1 else ''}",
            limit="token",
            evidence=(f"a token of {len(self.tokens[-1])} characters",),
        )

    def _step(self, target: Target, step: Mapping[str, Any], where: str) -> Found | None:
        find = _expression(str(step["token"]))
        values = {**self.secrets, **({"token": self.tokens[-1]} if self.tokens else {})}
        headers = {"Content-Type": "application/json", "Origin": target.url, **(step.get("headers") or {})}
        filled = {name: str(_filled(value, values, where)) for name, value in headers.items()}
        _check_headers(filled, where)
        body = {"query": step["query"], "variables": _filled(step.get("variables") or {}, values, where)}
        answer = fetch(
            target,
            str(step["path"]),
            method=str(step.get("method") or "POST"),
            headers=filled,
            body=json.dumps(body).encode(),
            context=strict_context(target),
        )
        try:
            content = answer.json()
        except ValueError:
            return self._failed(f"{answer.status}, {answer.content_type} and no JSON", where, answer)
        token = find(content)
        if isinstance(token, str) and token:
            self.tokens.append(token)
            return None
        return self._failed(self._told(content) or f"{answer.status}, no token at {step['token']}", where, answer)

    def _told(self, content: Any) -> str:
        """The messages of a GraphQL answer, and nothing else of it: the rest may repeat what was sent."""
        errors = content.get("errors") if isinstance(content, Mapping) else None
        messages = (
            [e.get("message") for e in errors or [] if isinstance(e, Mapping)] if isinstance(errors, list) else []
        )
        return "; ".join(self.redacted(str(message))[:_MESSAGE_LIMIT] for message in messages[:3] if message)

    def redacted(self, text: str) -> str:
        """The text without a secret, however short, also where one was escaped."""
        for value in self.hidden:
            for form in {value, json.dumps(value)[1:-1], value.strip()} - {""}:
                text = text.replace(form, _MASK)
        return text

    def _failed(self, measured: str, where: str, answer: Answer) -> Found:
        return Found(
            "fail",
            measured=measured,
            limit="token",
            evidence=(f"{where} answered {answer.status}",),
            advice=(
                "see the log of the service behind that path: / being green says nothing about it",
                "see that the account exists and its password is the one in the vault",
            ),
        )


def _check_headers(headers: Mapping[str, str], where: str) -> None:
    for name, value in headers.items():
        if _NO_HEADER.search(value):
            raise UserError(
                f"login: {where} fills the header {name} with a line break or another character that no header can "
                "hold; take it out of the entry of login_secrets, as in {{ vault_token | trim }}"
            )


def _filled(value: Any, secrets: Mapping[str, str], where: str) -> Any:
    if isinstance(value, str):
        try:
            return Template(value).substitute(secrets)
        except KeyError as error:
            raise UserError(f"login: {where} uses ${{{error.args[0]}}}, which login_secrets does not hold")
        except ValueError:
            raise UserError(f"login: {where} has a lone dollar sign in its variables; write $$ for one")
    if isinstance(value, Mapping):
        return {key: _filled(item, secrets, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, secrets, where) for item in value]
    return value


def _expression(text: str) -> Any:
    try:
        import jmespath
    except ImportError:
        raise UserError("the Python package jmespath is missing where the probe runs: pip install jmespath")
    try:
        return jmespath.compile(text).search
    except jmespath.exceptions.JMESPathError:
        raise UserError(f"login: {text!r} is no JMESPath")
