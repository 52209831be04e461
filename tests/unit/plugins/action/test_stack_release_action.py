"""Whoever waits for a release sees the step that it is in, and for how long."""

from __future__ import annotations

import itertools
import time
from unittest.mock import MagicMock

import pytest

from ansible_collections.sluice.deploy.plugins.action import stack_release
from ansible_collections.sluice.deploy.plugins.module_utils.release import progress

ENOUGH = 60.0


class Server:
    """A connection to a server whose clock goes on by twenty seconds with each look."""

    _shell = MagicMock()

    def __init__(self, tmp_path, failing: Exception | None = None) -> None:
        self.place, self.failing = tmp_path, failing
        self.asked: list[str] = []
        self.now = int(time.time())

    def exec_command(self, command: str, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        # A password for becoming root would be asked for beside the one that the module runs with.
        assert not sudoable
        self.asked.append(command)
        if self.failing:
            raise self.failing
        self.now += 20
        try:
            return 0, f"{self.now}\n{(self.place / 'shop').read_text()}".encode(), b""
        except FileNotFoundError:
            return 1, f"{self.now}\n".encode(), b"cat: no such file"


@pytest.fixture
def released(monkeypatch):
    """Runs the action over a module that takes until `until`; answers the result and what was shown."""

    def run(server: Server, until, stack: object = "shop", check: bool = False):
        shown: list[str] = []
        monkeypatch.setattr(stack_release, "INTERVAL", 0.01)
        monkeypatch.setattr(stack_release.Display, "display", lambda self, text, **_: shown.append(text))
        task = MagicMock(args={"stack": {"name": stack}}, async_val=0, check_mode=check, diff=False)
        action = stack_release.ActionModule(task, server, MagicMock(), MagicMock(), MagicMock(), MagicMock())

        def execute(**_: object) -> dict[str, object]:
            deadline = time.monotonic() + ENOUGH
            while not until(shown) and time.monotonic() < deadline:
                time.sleep(0.01)
            return {"changed": True}

        monkeypatch.setattr(action, "_execute_module", execute)
        return action.run(task_vars={}), shown

    return run


def test_each_step_is_shown_and_a_long_one_ever_more_seldom(tmp_path, released):
    server, note = Server(tmp_path), progress.note_in("shop", tmp_path)
    note("pre_release")

    def until(shown: list[str]) -> bool:
        if len(shown) == 4:
            note("job migrate\x1b]0;title\x07")
        return len(shown) > 4

    told, shown = released(server, until)
    assert told["changed"]
    seconds = [int(line.rpartition("for ")[2].removesuffix(" s")) for line in shown[:4]]
    assert all(line.startswith("  release of shop: pre_release, for ") for line in shown[:4])
    assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(seconds))
    assert shown[4].startswith("  release of shop: job migrate, for ")


@pytest.mark.parametrize("failing", [None, OSError("gone"), ValueError("odd")])
def test_a_server_that_does_not_say_ends_no_release(tmp_path, released, failing):
    server = Server(tmp_path, failing)
    told, shown = released(server, lambda _: len(server.asked) > 3)
    assert told["changed"] and shown == []


@pytest.mark.parametrize(("stack", "check"), [("a; reboot", False), (None, False), ("shop", True)])
def test_what_is_no_stack_is_told_to_no_shell_and_a_rehearsal_is_not_watched(
    tmp_path, released, monkeypatch, stack, check
):
    watcher = MagicMock()
    monkeypatch.setattr(stack_release.threading, "Thread", watcher)
    told, _ = released(Server(tmp_path), lambda _: True, stack, check)
    assert told["changed"] and not watcher.return_value.start.called


def test_a_note_that_cannot_be_written_keeps_nobody_from_working(tmp_path):
    (tmp_path / "file").write_text("")
    note = progress.note_in("shop", tmp_path / "file")
    note("start")
    progress.forget("shop", tmp_path / "file")
    progress.note_in("shop", tmp_path / "new")("start")
    assert (tmp_path / "new/shop").read_text().split()[1:] == ["start"]
    progress.forget("shop", tmp_path / "new")
    assert not (tmp_path / "new/shop").exists()
