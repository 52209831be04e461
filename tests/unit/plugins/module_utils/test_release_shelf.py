"""Configs and secrets of a swarm, as its managers' engines tell and take them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError, FasterError
from ansible_collections.sluice.deploy.plugins.module_utils.release.shelf import Note, SwarmShelf

CONFIG = {
    "ID": "c1",
    "Version": {"Index": 7},
    "Spec": {"Name": "sluice-ledger-crm-1", "Labels": {"deploy.sluice.ledger": "crm"}, "Data": "e30="},
}


class Shelf(SwarmShelf):
    """One whose engine gives answers, runs what it is told, and notes it."""

    def __init__(self, place: Path, said: str = "", state: str = "complete") -> None:
        super().__init__(place)
        self.said, self.state, self.told, self.ran = said, state, [], []
        self.place = place

    def _ask(self, path: str, **query: str) -> Any:
        answers: dict[str, Any] = {
            "/configs": [CONFIG],
            "/secrets": [CONFIG],
            "/info": {"Swarm": {"NodeID": "n1"}},
            "/containers/json": [{"ImageID": "without"}, {"ImageID": "shell"}],
            "/images/json": [{"Id": "large", "Size": 9}, {"Id": "small", "Size": 1}],
            "/tasks": [{"Status": {"State": self.state, "Err": "no room"}}],
        }
        return answers[path]

    def _change(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        if self.said:
            raise EngineError(self.said)
        self.told.append((method, path, body, query))

    def _docker(self, *arguments: str, timeout: float = 0) -> str:
        self.ran.append(arguments)
        if "create" in arguments:
            (room,) = self.place.glob(".show-*")
            for word in arguments:
                if word.startswith("source="):
                    (room / word.partition("target=")[2]).write_bytes(b"shown")
        return ""

    def _run(self, argv: list[str], *given: Any, **named: Any) -> Any:
        class Done:
            returncode = int("shell" not in argv)

        return Done


def test_a_config_is_read_with_its_version(tmp_path: Path) -> None:
    note = Note("c1", "sluice-ledger-crm-1", 7, {"deploy.sluice.ledger": "crm"}, "{}")
    shelf = Shelf(tmp_path)
    assert shelf.notes("deploy.sluice.ledger=crm") == [note]
    shelf.relabel(note, {"beat": "2"})
    ((method, path, body, query),) = shelf.told
    assert (method, path, query) == ("POST", "/configs/c1/update", {"version": "7"})
    assert (body["Labels"], base64.b64decode(body["Data"])) == ({"beat": "2"}, b"{}")


@pytest.mark.parametrize("said", ["config x already exists", "update out of sequence", "config x not found"])
def test_who_was_slower_is_told_so(tmp_path: Path, said: str) -> None:
    with pytest.raises(FasterError):
        Shelf(tmp_path, said).write("x", {}, "")
    Shelf(tmp_path, said).drop(Note("c1", "x", 7, {}, ""))


def test_other_trouble_is_not_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no leader") as raised:
        Shelf(tmp_path, "the swarm has no leader").write("x", {}, "")
    assert not isinstance(raised.value, FasterError)


def test_secrets_are_shown_by_a_task_of_this_node_and_stand_in_no_argument(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.show(["one", "two"]) == {"one": b"shown", "two": b"shown"}
    (created, removed) = shelf.ran
    assert created[:2] == ("service", "create")
    assert {"node.id==n1", "source=one,target=one", "shell"} <= set(created)
    assert removed[:2] == ("service", "rm")
    assert not list(tmp_path.iterdir())
    assert shelf.show([]) == {}


def test_a_task_that_fails_is_told(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, state="rejected")
    with pytest.raises(EngineError, match="what the swarm keeps of the stack could not be read: no room"):
        shelf.show(["one"])
    assert shelf.ran[-1][:2] == ("service", "rm")


def test_a_node_without_a_shell_is_told_what_to_do(tmp_path: Path) -> None:
    class Bare(Shelf):
        def _run(self, argv: list[str], *given: Any, **named: Any) -> Any:
            return type("Done", (), {"returncode": 127})

    with pytest.raises(EngineError, match=r"no image of this node has a shell.*docker pull one"):
        Bare(tmp_path).show(["one"])
