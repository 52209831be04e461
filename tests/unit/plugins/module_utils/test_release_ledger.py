"""What one manager of a swarm began, another one finishes or undoes; one at a time, and none without knowing."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import (
    EngineError,
    FasterError,
    StepError,
    UserError,
)
from ansible_collections.sluice.deploy.plugins.module_utils.release import swarmlock
from ansible_collections.sluice.deploy.plugins.module_utils.release.bundles import pack, unpack
from ansible_collections.sluice.deploy.plugins.module_utils.release.held import elsewhere
from ansible_collections.sluice.deploy.plugins.module_utils.release.ledger import Ledger
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.plugins.module_utils.release.shelf import Note
from ansible_collections.sluice.deploy.plugins.module_utils.release.swarm import Swarm
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import Deployed, Serving, StackState
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack
from ansible_collections.sluice.deploy.plugins.module_utils.stack.swarm import on_one_node
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import Killed, World, description, run_in


class FakeShelf:
    """The swarm's configs and secrets."""

    def __init__(self) -> None:
        self.configs: dict[str, Note] = {}
        self.hidden: dict[str, tuple[dict[str, str], bytes]] = {}
        self.silent = False
        self._versions = 0
        self._alone = threading.Lock()

    def _version(self) -> int:
        if self.silent:
            raise EngineError("the swarm does not have a leader")
        self._versions += 1
        return self._versions

    def notes(self, label: str) -> list[Note]:
        key, _, value = label.partition("=")
        self._version()
        found = list(self.configs.values())
        return [note for note in found if key in note.labels and (not value or note.labels[key] == value)]

    def write(self, name: str, labels: Mapping[str, str], text: str) -> None:
        with self._alone:
            if name in self.configs:
                raise FasterError("already exists")
            self.configs[name] = Note(name, name, self._version(), dict(labels), text)

    def relabel(self, note: Note, labels: Mapping[str, str]) -> None:
        with self._alone:
            if note.name not in self.configs or self.configs[note.name].version != note.version:
                raise FasterError("update out of sequence")
            self.configs[note.name] = replace(note, labels=dict(labels), version=self._version())

    def drop(self, note: Note) -> None:
        self.configs.pop(note.name, None)

    def secrets(self, label: str) -> set[str]:
        key, _, value = label.partition("=")
        return {name for name, (labels, _) in self.hidden.items() if labels.get(key) == value}

    def hide(self, name: str, labels: Mapping[str, str], content: bytes) -> None:
        assert len(name) <= 64
        assert len(content) <= 500 * 1024
        self.hidden[name] = (dict(labels), content)

    def show(self, names: Sequence[str]) -> dict[str, bytes]:
        return {name: self.hidden[name][1] for name in names}

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self.hidden.pop(name)


def stateless(version: str) -> dict[str, Any]:
    told = description(version)
    return {**told, "services": {name: s for name, s in told["services"].items() if name != "db"}}


class Managers:
    """A swarm, and the directories of its managers."""

    def __init__(self, place: Path) -> None:
        self.world, self.shelf, self._place = World(), FakeShelf(), place
        self.ledger: Ledger
        self.world.registry |= {"web:1", "web:2", "web:3"}

    def by(self, host: str, version: str) -> Run:
        run = run_in(self.world, self._place / host, stateless(version))
        ledger = Ledger(self.shelf, run.state, pinned=False)
        ledger.open()
        run.state.on_change = ledger.keep
        self.ledger = ledger
        return run


@pytest.fixture
def managers(tmp_path: Path) -> Managers:
    return Managers(tmp_path)


def moments_of(place: Path, action: Any) -> Iterator[Managers]:
    """Swarms on which m1 was killed at each moment of a release of version 2."""
    for moment in range(1, 500):
        shutil.rmtree(place, ignore_errors=True)
        swarm = Managers(place)
        release(swarm.by("m1", "1"))
        swarm.world.kill_at = swarm.world.effects + moment
        try:
            action(swarm.by("m1", "2"))
        except Killed:
            yield swarm
            continue
        assert moment > 20
        return


def test_another_manager_goes_on_at_every_moment(tmp_path: Path) -> None:
    for swarm in moments_of(tmp_path / "s", release):
        run = swarm.by("m2", "2")
        release(run)
        assert not run.state.journal()
        assert [r["outcome"] for r in run.state.records()][-1] == "succeeded"
        # And the first one, when it is back, knows it.
        again = release(swarm.by("m1", "2"))
        assert not again.changed
        running = {name.rsplit("-", 2)[0] for name, c in swarm.world.containers.items() if c.running}
        assert len(running) == 1, running
        assert swarm.world.edge == again.colour


def test_another_manager_leads_back_what_it_did_not_release(managers: Managers) -> None:
    first = release(managers.by("m1", "1"))
    second = release(managers.by("m1", "2"))
    run = managers.by("m2", "2")
    assert run.state.serving().previous == Deployed(first.release, first.colour)
    assert rollback(run).release == first.release
    assert managers.by("m1", "2").state.serving().current == Deployed(first.release, "blue")
    assert rollback(managers.by("m1", "2")).release == second.release


def test_a_release_has_the_same_id_on_every_manager_and_none_holds_a_value_in_the_open(managers: Managers) -> None:
    release(managers.by("m1", "1"))
    assert not release(managers.by("m2", "1")).changed
    assert all("a-long-token-value" not in note.text for note in managers.shelf.configs.values())


def test_who_was_overtaken_writes_nothing(managers: Managers) -> None:
    late = managers.by("m1", "1")
    release(managers.by("m2", "1"))
    serving = managers.by("m2", "1").state.serving()
    with pytest.raises(StepError, match="another manager has gone on with the stack since"):
        release(late)
    assert managers.by("m2", "1").state.serving() == serving


def test_a_swarm_without_a_quorum_begins_no_release(managers: Managers) -> None:
    release(managers.by("m1", "1"))
    run = managers.by("m1", "2")
    managers.shelf.silent = True
    with pytest.raises(StepError, match="does not have a leader") as raised:
        release(run)
    assert raised.value.step == "journal"
    managers.shelf.silent = False
    assert release(managers.by("m1", "2")).changed


def test_old_ledgers_and_releases_leave_the_swarm(managers: Managers) -> None:
    for version in ("1", "2", "3", "1"):
        run = managers.by("m1", version)
        release(replace(run, settings=replace(run.settings, keep_releases=2)))
    managers.ledger.settle()
    assert len(managers.shelf.configs) == 1
    releases = {name for name in managers.shelf.hidden if name != key_of(managers)}
    assert len(releases) == 2


def key_of(managers: Managers) -> str:
    (note,) = managers.shelf.configs.values()
    return str(json.loads(note.text)["bundles"]["key"][0])


def test_records_of_both_nodes_are_one(tmp_path: Path) -> None:
    shelf, states = FakeShelf(), [StackState(str(tmp_path / host), "crm") for host in ("m1", "m2")]
    for number, state in enumerate(states):
        state.create()
        ledger = Ledger(shelf, state, pinned=False)
        ledger.open()
        state.on_change = ledger.keep
        state.set_serving(Serving(Deployed(str(number), "blue")))
        state.append_record({"release": str(number)})
    Ledger(shelf, states[0], pinned=False).open()
    for state in states:
        assert [r["release"] for r in state.records()] == ["0", "1"]
        assert state.serving().current == Deployed("1", "blue")


def test_where_the_data_is_stays_known(tmp_path: Path) -> None:
    shelf, state = FakeShelf(), StackState(str(tmp_path), "crm")
    state.create()
    ledger = Ledger(shelf, state, pinned=True)
    ledger.open()
    ledger.keep()
    assert ledger.home == socket.gethostname()
    ledger.clear(data_stays=True)
    second = StackState(str(tmp_path / "m2"), "crm")
    second.create()
    other = Ledger(shelf, second, pinned=True)
    other.open()
    assert other.home == socket.gethostname()
    other.clear(data_stays=False)
    assert not shelf.configs


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    shelf, state = FakeShelf(), StackState(str(tmp_path), "crm")
    shelf.write("sluice-ledger-crm-7", {"deploy.sluice.ledger": "crm"}, "[]")
    with pytest.raises(UserError, match=r"sluice-ledger-crm-7 is of a form .* run the newer version"):
        Ledger(shelf, state, pinned=False).open()


def test_a_large_release_is_kept_in_parts(tmp_path: Path) -> None:
    shelf, state = FakeShelf(), StackState(str(tmp_path / "m1"), "crm")
    state.create()
    noise = bytes((n * n * 2654435761 >> 7) % 256 for n in range(1_200_000))
    place = state.release_directory("r1") / "files"
    place.mkdir(parents=True)
    (place / "large").write_bytes(noise)
    (place / "large").chmod(0o440)
    ledger = Ledger(shelf, state, pinned=False)
    ledger.keep()
    other = StackState(str(tmp_path / "m2"), "crm")
    other.create()
    assert Ledger(shelf, other, pinned=False).open()
    found = other.release_directory("r1") / "files" / "large"
    assert found.read_bytes() == noise
    assert found.stat().st_mode & 0o777 == 0o440


def test_what_was_packed_is_the_same_each_time_and_damage_is_told(tmp_path: Path) -> None:
    place = tmp_path / "r1"
    place.mkdir()
    (place / "compose.yml").write_text("services: {}")
    first = pack(place)
    (place / "build.log").write_text("long")
    (place / "compose.yml").touch()
    assert pack(place) == first
    with pytest.raises(EngineError, match="is damaged"):
        unpack(first[:-9], tmp_path / "r2")


def test_the_lock_is_taken_over_from_who_is_silent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, ticks = FakeShelf(), [0.0]
    alive = [True]

    def sleep(seconds: float) -> None:
        ticks[0] += seconds
        if alive[0]:
            first.beat()

    def second(wait: float) -> Any:
        return swarmlock.swarm_locked(shelf, "crm", "rollback", wait, lambda: ticks[0], sleep)

    monkeypatch.setattr(swarmlock.socket, "gethostname", lambda: "m1")
    with swarmlock.swarm_locked(shelf, "crm", "release", 0) as first:
        monkeypatch.setattr(swarmlock.socket, "gethostname", lambda: "m2")
        with (
            pytest.raises(UserError, match=r"release \(process .* on m1, .*holds the lock of crm in the swarm"),
            second(60),
        ):
            pass
        alive[0] = False
        with second(60):
            first.beat()
            with pytest.raises(EngineError, match="another run has taken over"):
                first.check()
        assert ticks[0] > 60
    assert not shelf.configs


def test_a_nodes_own_lock_tells_that_its_run_before_is_dead() -> None:
    shelf = FakeShelf()
    with swarmlock.swarm_locked(shelf, "crm", "release", 0) as dead:
        with swarmlock.swarm_locked(shelf, "crm", "release", 0):
            pass
        dead.beat()
        with pytest.raises(EngineError):
            dead.check()


class FakeSwarm(Swarm):
    """A swarm of nodes with these states."""

    def __init__(self, **states: str) -> None:
        super().__init__()
        self.states = states

    def nodes(self) -> dict[str, Any]:
        return {n: {"Status": {"State": s}, "Description": {"Hostname": n}} for n, s in self.states.items()}


@pytest.mark.parametrize(
    ("states", "pinned", "said"),
    [
        ({"m1": "down"}, ["service db"], r"the data of crm \(service db\) is on the node m1, which is down: bring it"),
        (
            {"m1": "ready"},
            ["volume crm_files"],
            r"\(volume crm_files\) is on the node m1, which is ready: release from",
        ),
        ({"m1": "down"}, [], "^$"),
        # It has left the swarm, and its data with it.
        ({}, ["service db"], "^$"),
    ],
)
def test_data_on_another_node_is_told(tmp_path: Path, states: dict[str, str], pinned: list[str], said: str) -> None:
    ledger = Ledger(FakeShelf(), StackState(str(tmp_path), "crm"), bool(pinned))
    ledger.home = "m1"
    assert re.search(said, elsewhere(FakeSwarm(**states), "crm", pinned, ledger))
    assert ledger.home == ("m1" if states else socket.gethostname())


def test_a_release_that_lacks_its_data_begins_nothing_and_says_why(managers: Managers) -> None:
    release(managers.by("m1", "1"))
    run = replace(managers.by("m2", "2"), elsewhere="the data of crm is on the node m1, which is down")
    with pytest.raises(StepError, match="the data of crm is on the node m1") as raised:
        release(run)
    assert raised.value.step == "look"


def test_what_has_its_data_on_one_node_is_named() -> None:
    def web(volume: dict[str, Any]) -> dict[str, Any]:
        return {"image": "web:1", "volumes": [{"source": "files", "path": "/files", **volume}]}

    def named(*volumes: dict[str, Any], **services: Any) -> list[str]:
        released = {f"web{number}": web(volume) for number, volume in enumerate(volumes)}
        return on_one_node(parse_stack({"name": "crm", "services": {**released, **services}}))

    assert named({}) == ["volume crm_files"]
    assert named({"driver": "nfs"}) == []
    assert named({"driver": "nfs"}, db={"image": "db:1", "stateful": True}) == ["service db"]
