"""Logs and commands of a stack that serves: in order, and no secret in what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release.console import Console
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.modules.stack_exec import words
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)

TOKEN = "a-long-token-value"
LOGS = {
    "crm-blue-web": "2026-03-01T10:00:00.2Z second\n2026-03-01T10:00:00.4Z token=" + TOKEN + "\n",
    "crm-blue-jobs": "2026-03-01T10:00:00.1Z first\n2026-03-01T10:00:00.3Z third \x1b[2J\n",
}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    release(run_in(world, tmp_path, description("1")))
    engine: Any = FakeEngine(world)

    engine.log = lambda container, lines, since: LOGS.get(container.id.replace("/", "-"), "")
    return Console(str(tmp_path), "crm", {"TOKEN": TOKEN}, engine)


def test_lines_of_all_services_are_in_the_order_of_their_times(served: Console) -> None:
    lines = served.logs()
    assert [line.text.split()[0] for line in lines][:3] == ["first", "second", "third"]
    assert [line.service for line in lines] == ["jobs", "web", "jobs", "web"]
    assert TOKEN not in str(lines)
    assert "\x1b" not in str(lines)


def test_lines_are_chosen_by_service_pattern_and_number(served: Console) -> None:
    assert [line.text for line in served.logs(["web"], grep="^sec")] == ["second"]
    third, last = served.logs(most=2)
    assert third.text.startswith("third")
    assert last.text.startswith("token=")
    # Whoever looks for a secret does not learn that it is there.
    assert served.logs(grep=TOKEN) == []
    with pytest.raises(UserError, match=r"grep: .* is not a regular expression"):
        served.logs(grep="(")
    with pytest.raises(UserError, match=r"no service 'wep' \(did you mean 'web'\?\)"):
        served.logs(["wep"])


def test_what_a_command_prints_is_masked(served: Console) -> None:
    engine: Any = served._engine
    engine.run_once = lambda *arguments: (3, f"TOKEN={TOKEN}\n")
    status, output = served.run("web", ["printenv"], "new", 5)
    assert status == 3
    assert TOKEN not in output

    def execute(container: str, command: list[str], **streams: Any) -> int:
        streams["stdout"].write(f"{command} {TOKEN}".encode())
        streams["stdout"].flush()
        return 0

    engine.execute = execute
    status, output = served.run("web", ["printenv"], "running", 5)
    assert (status, TOKEN in output) == (0, False)
    assert "'timeout', '5', 'printenv'" in output


def test_a_stack_that_does_not_serve_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no release of 'crm' serves on this host"):
        Console(str(tmp_path), "crm", {}, FakeEngine(World()))  # type: ignore[arg-type]


def test_words_of_a_command() -> None:
    assert words("node 'a b' --x") == ["node", "a b", "--x"]
    assert words(["a", 1]) == ["a", "1"]
    for wrong in ("", [], "it's", None):
        with pytest.raises(UserError, match="command: "):
            words(wrong)
