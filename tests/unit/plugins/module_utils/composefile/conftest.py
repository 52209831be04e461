"""Projects that are read by what Docker Compose answered: its answers are stored, since asking takes half a second.

`SLUICE_RECORD=1 pytest …` asks Compose, and writes the answers anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.composefile.cli import Compose
from ansible_collections.sluice.deploy.plugins.module_utils.composefile.findings import Finding
from ansible_collections.sluice.deploy.plugins.module_utils.composefile.project import Read, Settings, read
from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack

ANSWERS = Path(__file__).parent / "answers"


RECORD = bool(os.environ.get("SLUICE_RECORD"))


class Recorded(Compose):
    """Compose, or what it answered when it was last asked the same."""

    def __init__(self, store: Path, directory: Path) -> None:
        super().__init__()
        self._store, self._directory, self._answers = store, str(directory), []
        if not RECORD:
            self._answers = json.loads(store.read_text(encoding="utf-8"))

    def config(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if not RECORD:
            kind, answer = json.loads(json.dumps(self._answers.pop(0)).replace("@DIR@", self._directory))
        else:
            kind, answer = self._ask(*args, **kwargs)
            self._answers.append([kind, answer])
        if kind == "error":
            raise EngineError(answer)
        return dict(answer)

    def services(self, *args: Any) -> list[str]:
        if not RECORD:
            return [str(name) for name in self._answers.pop(0)]
        self._answers.append(super().services(*args))
        return list(self._answers[-1])

    def _ask(self, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        try:
            return "answer", super().config(*args, **kwargs)
        except EngineError as error:
            return "error", str(error)

    def store(self) -> None:
        if RECORD:
            text = json.dumps(self._answers, indent=1, sort_keys=True).replace(self._directory, "@DIR@")
            self._store.write_text(text + "\n", encoding="utf-8")


class Project:
    """A project's reading, as tests ask it."""

    def __init__(self, done: Read) -> None:
        self.read = done
        self.reading = done.reading
        self.services = done.reading.stack_services
        self.routes = [dict(r) for r in done.reading.routes]

    def kinds(self) -> dict[str, str]:
        return {s.name: s.decided.kind for s in self.reading.services}

    def found(self, level: str) -> list[Finding]:
        return [f for f in self.reading.findings.all if f.level == level]

    def said(self, level: str) -> str:
        return "\n".join(map(str, self.found(level)))


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Project]:
    """Reads a Compose file's text, with other files of the project beside it."""

    def of(text: str, beside: Mapping[str, str] | None = None, **settings: Any) -> Project:
        directory = tmp_path / "shop"
        for name, content in {"compose.yml": text, **(beside or {})}.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(content, encoding="utf-8")
        number = of.__dict__.setdefault("count", 0)
        of.__dict__["count"] = number + 1
        name = re.sub(r"\W+", "_", f"{request.node.name}_{number}" if number else request.node.name).strip("_")
        compose = Recorded(ANSWERS / f"{name}.json", tmp_path)
        told = Settings(
            directory=directory,
            root=directory,
            data="/data",
            **{"name": "shop", "domain": "shop.example.com", **settings},
        )
        done = Project(read(told, compose))
        compose.store()
        # What was read, and lacks nothing, is what the description takes.
        runs = any(s.get("role", "job") != "job" for s in done.services.values())
        if runs and not done.found("decide") and not done.found("refused"):
            parse_stack(
                {"name": "shop", "domain": "shop.example.com", "services": done.services, "routes": done.routes}
            )
        return done

    return of
