# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same requests, sent to a real server or to the stand-in, and what each answers, without ids and times.

    python3 -m standin_dokploy.pairs URL                    compares a server with the record
    python3 -m standin_dokploy.pairs URL --new --record     writes the record anew

Who signs in is DOKPLOY_EMAIL and DOKPLOY_PASSWORD of the environment.
With --new, the administrator is signed up first, of a server that has none; the record is made so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from .pairs_steps import SET_UP, STEPS, Step

RECORD = Path(__file__).with_name("pairs.json")
LONGEST_WAIT = 60
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_SUFFIX = re.compile(r"(?<=pairs-app-)[a-z0-9]{6}\b")
_WORDS = re.compile(r"\b(compose|backup|volumeBackup|schedule|server)-[a-z0-9]+-[a-z0-9-]+-[a-z0-9]{6}\b")
_UPTIME = re.compile(r"Up (?:Less than a|About an?|\d+) \w+(?: \(healthy\))?")
_ROUTER = re.compile(r"(?<=<app>-)\d+(?=-web)")

# Statements and scripts are long, and differ with the version; what matters is that they are told, and what of.
_STATEMENT = re.compile(r"(Failed query: ).*", re.DOTALL)
_SCRIPT = re.compile(r"(Command failed: ).*", re.DOTALL)
# What says nothing of how a server behaves.
_VOLATILE = re.compile(
    r"^(id|.*Id|key|start|token|refreshToken|uniqueConfigKey|timestamp|processedOn|position|size|"
    r"serverIp|metricsConfig|logPath|publicKey|privateKey|letsEncryptEmail|pid)$"
)
Answer = dict[str, Any]
pause = time.sleep


@dataclass
class Run:
    """One way through the steps on one server.

    Attributes:
        new: Whether it has no administrator yet, so that its first set-up is a part of the way.
    """

    url: str
    email: str
    password: str
    new: bool = False
    known: dict[str, str] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def steps(self) -> list[Answer]:
        """What the server answered to each."""
        self.known |= {"email": self.email, "password": self.password}
        answers = [self._take(step) for step in [*(SET_UP if self.new else []), *STEPS]]
        return [answer for answer in answers if answer]

    def _take(self, step: Step) -> Answer | None:
        pause(step.pause)
        deadline = time.monotonic() + LONGEST_WAIT
        while True:
            answer = self._send(step)
            data = self._data(answer)
            if not step.until or step.until(data) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        for name, path in step.keep.items():
            self.known[name] = _at(data, path)
        if not step.name:
            return None
        if step.pick:
            data = step.pick(data)
        kind = "empty" if not answer.content else "text" if isinstance(data, Text) else "json"
        return {"step": step.name, "status": answer.status_code, "kind": kind, "body": self._plain(data)}

    def _send(self, step: Step) -> requests.Response:
        method, procedure = step.call.split(" ")
        values = self._filled(step.values)
        headers = {} if step.bare else {"x-api-key": self.known.get("key", "")}
        headers |= step.headers
        url = f"{self.url}/api/{procedure}"
        session = self.session if step.with_cookie else requests.Session()
        if method == "GET":
            return session.get(url, params=values, headers=headers, timeout=180)
        if isinstance(values, str):
            return session.post(url, data=values.encode(), headers=headers, timeout=180)
        return session.post(url, json=values, headers=headers, timeout=180)

    def _data(self, answer: requests.Response) -> Any:
        try:
            return answer.json() if answer.content else None
        except ValueError:
            return Text(answer.text)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, str):
            found = re.fullmatch(r"<(\w+)>", value)
            return self.known.get(found[1], value) if found else value
        return value

    def _plain(self, value: Any, key: str = "") -> Any:
        """An answer without what differs from server to server and from day to day."""
        if isinstance(value, dict) and not _VOLATILE.match(key):
            return {self._text(name): self._plain(item, name) for name, item in sorted(value.items())}
        if isinstance(value, list):
            if key == "issues":
                value = [{name: issue[name] for name in ("path", "message")} for issue in value]
            return [self._plain(item, key) for item in value]
        if value is not None and not isinstance(value, bool) and _VOLATILE.match(key):
            return f"<{key}>"
        return self._text(value) if isinstance(value, str) else value

    def _text(self, value: str) -> str:
        for name, known in sorted(self.known.items(), key=lambda item: -len(item[1])):
            if len(known) > 6:
                value = value.replace(known, f"<{name}>")
        value = _WORDS.sub(r"\1-<words>", _SUFFIX.sub("xxxxxx", _TIME.sub("<time>", value)))
        value = _ROUTER.sub("<number>", value)
        value = _UPTIME.sub("Up <a while>", _STATEMENT.sub(r"\1…", value))
        return _SCRIPT.sub(rf"\1…{', with a private key' if 'PRIVATE KEY' in value else ''}", value)


class Text(str):
    """A body that is no JSON."""


def _at(data: Any, path: str) -> str:
    for part in path.split("."):
        data = data[int(part)] if isinstance(data, list) else (data or {}).get(part)
    return str(data)


def differences(ours: list[Answer], recorded: list[Answer]) -> list[str]:
    """Where a server answers otherwise than the record; steps that it was not asked are left out."""
    expected = {answer["step"]: answer for answer in recorded}
    found: list[str] = []
    for answer in ours:
        other = expected.get(answer["step"])
        if other is None:
            found.append(f"{answer['step']}: not in the record")
            continue
        for name in ("status", "kind"):
            if answer[name] != other[name]:
                found.append(f"{answer['step']}: {name} {answer[name]} instead of {other[name]}")
        if answer["status"] == other["status"]:
            found += _unlike(answer["body"], other["body"], answer["step"])
    return found


def _unlike(ours: Any, real: Any, where: str) -> list[str]:
    if isinstance(ours, dict) and isinstance(real, dict):
        found = [f"{where}.{key} is missing" for key in real if key not in ours]
        found += [f"{where}.{key} is not in the record" for key in ours if key not in real]
        return found + [text for key in ours if key in real for text in _unlike(ours[key], real[key], f"{where}.{key}")]
    if isinstance(ours, list) and isinstance(real, list):
        found = [f"{where}: {len(ours)} instead of {len(real)}"] if len(ours) != len(real) else []
        return found + [t for n, (o, r) in enumerate(zip(ours, real)) for t in _unlike(o, r, f"{where}[{n}]")]
    return [] if ours == real and type(ours) is type(real) else [f"{where}: {_short(ours)} instead of {_short(real)}"]


def _short(value: Any) -> str:
    return repr(value)[:300]


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares a Dokploy server with the record of a real one.")
    parser.add_argument("url")
    parser.add_argument("--record", action="store_true", help="write the record anew")
    parser.add_argument("--new", action="store_true", help="sign the administrator up first")
    arguments = parser.parse_args()
    email, password = (os.environ.get(name, "") for name in ("DOKPLOY_EMAIL", "DOKPLOY_PASSWORD"))
    if not email or not password:
        parser.error("set DOKPLOY_EMAIL and DOKPLOY_PASSWORD to the administrator's, in the environment")
    answers = Run(arguments.url.rstrip("/"), email, password, new=arguments.new).steps()
    if arguments.record:
        RECORD.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")
        print(f"{len(answers)} answers recorded")
        return 0
    found = differences(answers, json.loads(RECORD.read_text()))
    print("\n".join(found) or f"{len(answers)} answers, each as recorded")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
