"""Lock, journal and records on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.lock import locked
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import (
    Deployed,
    Journal,
    Serving,
    StackState,
    read_description,
    write_whole,
)


@pytest.fixture
def state(tmp_path: Path) -> StackState:
    state = StackState(str(tmp_path), "crm")
    state.create()
    return state


def test_a_journal_comes_back_as_it_was_written(state: StackState) -> None:
    journal = Journal("release", Deployed("b", "green"), Serving(Deployed("a", "blue")), "drain", 1.5, {"run": "1"})
    state.write_journal(journal)
    assert state.journal() == journal
    state.clear_journal()
    assert state.journal() is None


def test_what_serves_comes_back(state: StackState) -> None:
    assert state.serving() == Serving()
    serving = Serving(Deployed("b", "green"), Deployed("a", "blue"))
    state.set_serving(serving)
    assert state.serving() == serving


@pytest.mark.parametrize("name", ["serving", "journal"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty or cut off"),
        ('{"target": {"rel', "is empty or cut off"),
        ('{"later": {"release": "a"}}', "does not know: run the newer version"),
        ("[]", "does not know"),
    ],
)
def test_a_state_file_that_is_no_such_file_says_what_to_do(
    state: StackState, name: str, content: str, said: str
) -> None:
    (state.directory / f"{name}.json").write_text(content)
    with pytest.raises(UserError, match=said):
        getattr(state, name)()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "release.json is empty or cut off"),
        ('{"images": {', "move the file away, and run again"),
        ("[]", "run the newer version"),
        ('{"images": [], "description": {}}', "run the newer version"),
        ('{"id": 1, "secrets": {}}', "run the newer version"),
    ],
)
def test_a_description_that_is_none_says_what_to_do(tmp_path: Path, content: str, said: str) -> None:
    assert read_description(tmp_path) is None
    (tmp_path / "release.json").write_text(content)
    with pytest.raises(UserError, match=said):
        read_description(tmp_path)


def test_a_record_after_one_that_was_cut_off_is_whole(state: StackState) -> None:
    state.append_record({"n": 1})
    path = state.directory / "releases.jsonl"
    path.write_bytes(path.read_bytes() + b'{"n": 2, "cut')
    state.append_record({"n": 3})
    assert state.records() == [{"n": 1}, {"n": 3}]


def test_everything_is_for_root_alone(state: StackState) -> None:
    state.append_record({})
    state.set_serving(Serving())
    state.fingerprints({"a": "b"})
    assert {oct(p.stat().st_mode & 0o777) for p in state.directory.iterdir() if p.is_file()} == {"0o600"}
    assert {oct(p.stat().st_mode & 0o777) for p in state.directory.iterdir() if p.is_dir()} == {"0o700"}


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")
    with path.open() as old:
        write_whole(path, "new")
        assert old.read() == "old"
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_fingerprints_are_of_one_server(tmp_path: Path) -> None:
    one, other = StackState(str(tmp_path / "1"), "crm"), StackState(str(tmp_path / "2"), "crm")
    one.create()
    other.create()
    assert one.fingerprints({"x": "1"}) == one.fingerprints({"x": "1"}) != other.fingerprints({"x": "1"})


def test_a_key_that_was_cut_off_is_named_and_no_secret_blamed(tmp_path: Path) -> None:
    state = StackState(str(tmp_path), "crm")
    state.create()
    state.key.write_text("")
    with pytest.raises(UserError, match=r"key is damaged.*move it away and run again"):
        state.fingerprints({"x": "1"})


def test_a_plan_leaves_no_key_behind(tmp_path: Path) -> None:
    StackState(str(tmp_path), "crm").fingerprints({"x": "1"})
    assert list(tmp_path.iterdir()) == []


HOLD = """
import sys; sys.path[:0] = {path!r}
from pathlib import Path
from ansible_collections.sluice.deploy.plugins.module_utils.lock import locked
with locked(Path({lock!r}), "release", 0) as descriptor:
    print("held", flush=True)
    {then}
"""


def holder(lock: Path, then: str) -> subprocess.Popen[str]:
    code = HOLD.format(path=sys.path, lock=str(lock), then=then)
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_held_lock_is_refused_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = holder(lock, "input()")
    with pytest.raises(UserError, match=rf"release \(process {process.pid} on .* holds the lock"), locked(lock, "x", 0):
        pass
    process.communicate("\n")
    with locked(lock, "x", 0):
        assert lock.stat().st_size > 0
    assert lock.stat().st_size == 0


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = holder(lock, "input()")
    process.kill()
    process.communicate()
    with locked(lock, "x", 0):
        pass


def test_what_a_killed_holder_started_holds_the_lock_until_it_ends(tmp_path: Path) -> None:
    lock, fifo = tmp_path / "lock", tmp_path / "fifo"
    os.mkfifo(fifo)
    then = f"import subprocess; subprocess.Popen(['cat', {str(fifo)!r}], pass_fds=[descriptor], stdout=subprocess.DEVNULL); input()"
    process = holder(lock, then)
    with fifo.open("w"):
        process.kill()
        process.communicate()
        with pytest.raises(UserError, match="it died, but a command that it started still runs"), locked(lock, "x", 0):
            pass
    with locked(lock, "x", 10):
        pass
