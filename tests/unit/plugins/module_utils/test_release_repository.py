"""Backups in a repository, with a stand-in for restic that keeps snapshots in a file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError, UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release import operations, origins, repository, restore
from ansible_collections.sluice.deploy.plugins.module_utils.release.keeping import Hook, Keeping, keeping
from ansible_collections.sluice.deploy.plugins.module_utils.release.restic import Repository, Restic
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import Killed
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release_backup import Engine
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release_backup import run as whole  # noqa: F401

PASSWORD, KEY = "planted-password-1", "planted-key-2"
# Snapshots as JSON lines: content of a stream, or of a directory's files.
RESTIC = """#!/usr/bin/python3 -SI
import json, os, pathlib, sys, time, uuid
place = pathlib.Path(os.environ["RESTIC_REPOSITORY"])
args = [a for a in sys.argv[1:] if not a.startswith("--limit")]
with (place.parent / "calls").open("a") as calls: calls.write(json.dumps(sys.argv) + "\\n")
fault = (place.parent / "fault").read_text() if (place.parent / "fault").exists() else ""
def fail(status, text): sys.stderr.write(text + "\\n"); sys.exit(status)
word = args[0]
if fault == "locked" and word != "unlock" and (place.parent / "fault").exists():
    fail(11, "Fatal: unable to create lock in backend: repository is already locked by PID 9 on gone")
if word == "unlock":
    if fault == "locked": (place.parent / "fault").unlink()
    sys.exit(0)
if word == "init": place.mkdir(); (place / "config").write_text(os.environ["RESTIC_PASSWORD"]); sys.exit(0)
if not place.exists(): fail(10, "Fatal: repository does not exist: unable to open config file")
if (place / "config").read_text() != os.environ["RESTIC_PASSWORD"]: fail(12, "Fatal: wrong password or no key found")
def value(name):
    return args[args.index(name) + 1]
def snapshots():
    return [json.loads(p.read_text()) for p in sorted(place.glob("s-*"))]
if word == "backup":
    if "--stdin" in args:
        name, data = value("--stdin-filename"), sys.stdin.buffer.read().decode("latin-1")
        if fault == "full" and name != "manifest.json": fail(1, "Fatal: write /srv/x: no space left on device " + os.environ.get("STORE_KEY", ""))
        files = {name: data}
    else:
        files = {str(p): p.read_bytes().decode("latin-1") for p in pathlib.Path(".").rglob("*") if p.is_file()}
    made = {"id": uuid.uuid4().hex, "time": value("--time"), "hostname": "h", "tags": value("--tag").split(","), "files": files}
    (place / f"s-{time.time_ns()}").write_text(json.dumps(made))
    print(json.dumps({"message_type": "summary", "snapshot_id": made["id"], "total_bytes_processed": 5}))
elif word == "snapshots":
    tags = set(value("--tag").split(","))
    print(json.dumps([s for s in snapshots() if tags <= set(s["tags"])]))
elif word == "dump":
    (found,) = [s for s in snapshots() if s["id"] == args[1]]
    data = found["files"][args[2][1:]]
    sys.stdout.buffer.write((data[:-3] if fault == "cut" and "manifest" not in args[2] else data).encode("latin-1"))
elif word == "restore":
    (found,) = [s for s in snapshots() if s["id"] == args[1]]
    for name, data in found["files"].items():
        path = pathlib.Path(value("--target")) / name
        path.parent.mkdir(parents=True, exist_ok=True); path.write_bytes(data.encode("latin-1"))
elif word == "forget" and "--dry-run" in args:
    tags = set(value("--tag").split(","))
    found = [s for s in snapshots() if tags <= set(s["tags"])]
    print(json.dumps([{"keep": found[-1:], "remove": found[:-1] or None}]))
elif word == "forget" and fault == "append-only":
    sys.stderr.write("Remove(<snapshot/1>) failed: unexpected HTTP response (403): 403 Forbidden\\n")
elif word == "forget":
    for p in place.glob("s-*"):
        if json.loads(p.read_text())["id"] in args: p.unlink()
elif word == "check" and fault == "damaged":
    fail(1, "pack 1234 contains 1 errors: hash mismatch\\nFatal: repository contains errors")
"""


@pytest.fixture
def there(whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:  # noqa: F811
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "restic").write_text(RESTIC)
    (tools / "restic").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr("os.chown", lambda *arguments: None)
    kept = Keeping(repository=Repository(str(tmp_path / "repo"), PASSWORD, {"STORE_KEY": KEY}, keep={"last": 1}))
    whole.settings = replace(whole.settings, keeping=kept)
    yield whole
    said = (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else ""
    assert PASSWORD not in said and KEY not in said, "a command line shows a secret"


def fault(run: Run, kind: str) -> None:
    (run.state.directory.parents[1] / "fault").write_text(kind)


def alone(run: Run) -> Run:
    """No copy on the server: what comes back comes from the repository."""
    run.settings = replace(run.settings, keeping=replace(run.settings.keeping, local=False))
    return run


def snapshots(run: Run) -> list[str]:
    return sorted(p.name for p in (run.state.directory.parents[1] / "repo").glob("s-*"))


def test_a_backup_comes_back_from_the_repository_alone(there: Run) -> None:
    upload = there.engine.volume / "upload"  # type: ignore[attr-defined]
    record = operations.perform(alone(there), "backup")
    assert (record["places"], record["rows"], list(there.state.backups.iterdir())) == (["repository"], 2, [])
    upload.write_text("after")
    assert operations.perform(there, "prove")["rows"] == 2
    assert restore.restore_from(there) == record["name"]
    assert upload.read_text() == "before"
    engine: Engine = there.engine  # type: ignore[assignment]
    assert engine.loaded.count(Engine.data) == 3, "proved twice and restored"
    assert not [p for p in there.state.backups.iterdir() if p.name.startswith(".")]
    assert [r["operation"] for r in there.state.backup_records()] == ["backup", "prove"]


def test_a_dump_that_fails_leaves_no_snapshot_and_the_last_good_backup(
    there: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = operations.perform(alone(there), "backup")["name"]
    before = snapshots(there)
    monkeypatch.setattr(Engine, "data", b"COPY public.t (n) FROM stdin;\n1\n")
    with pytest.raises(StepError, match="ends early"):
        operations.perform(there, "backup")
    assert snapshots(there) == before
    assert there.state.backup_records()[-1]["trouble"] == "service db: the dump ends early"
    assert good == repository.stored(_restic(there), "crm")[-1].name


def _restic(run: Run) -> Restic:
    assert run.settings.keeping.repository
    return Restic(run.settings.keeping.repository)


@pytest.mark.parametrize(
    "said",
    [
        "Fatal: unable to open config file: Stat: The specified bucket does not exist.",
        "Fatal: unable to open config file: Stat: The specified key does not exist.",
        "Fatal: unable to open config file: stat /srv/x/config: no such file or directory",
        "Fatal: unable to open config file: Lstat: file does not exist",
        "Fatal: unable to open config file: <config/> does not exist",
    ],
)
def test_a_repository_that_is_not_there_yet_is_made_whatever_the_store_calls_it(
    there: Run, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(Restic, "ask", lambda self, word, *more, **_: asked.append(word) if asked else fail(word))
    asked: list[str] = []

    def fail(word: str) -> None:
        asked.append(word)
        raise StepError("restic", said)

    _restic(there).open()
    assert asked == ["cat", "init"]


@pytest.mark.parametrize(
    ("kind", "operation", "said"),
    [
        ("full", "backup", "No space left on device"),
        ("cut", "prove", "in the repository is not what was written"),
        ("damaged", "check", "the repository is damaged"),
    ],
)
def test_trouble_is_one_message_without_a_secret(there: Run, kind: str, operation: str, said: str) -> None:
    operations.perform(alone(there), "backup")
    world = there.edge.world  # type: ignore[attr-defined]
    before = (snapshots(there), world.effects)
    fault(there, kind)
    with pytest.raises(StepError, match=said) as raised:
        operations.perform(there, operation)
    shown = f"{raised.value.cause} {raised.value.log} {raised.value.advice}"
    assert KEY not in shown and PASSWORD not in shown
    assert (snapshots(there), world.effects) == before


@pytest.mark.parametrize(("size", "read"), [(2**30, "--read-data"), (2**30 + 1, "--read-data-subset=10%")])
def test_a_check_reads_all_of_what_is_small(there: Run, size: int, read: str) -> None:
    operations.perform(alone(there), "backup")
    there.state.append_backup({**there.state.backup_records()[-1], "bytes": size})
    operations.perform(there, "check")
    said = [json.loads(line) for line in (_place(there).parent / "calls").read_text().splitlines()]
    assert said[-1][1:] == ["check", read]


def test_a_lock_that_a_dead_host_left_is_removed_once(there: Run) -> None:
    operations.perform(alone(there), "backup")
    fault(there, "locked")
    assert operations.perform(there, "check")["trouble"] == ""


def test_a_wrong_password_is_told_and_the_server_s_own_backup_is_made_all_the_same(there: Run) -> None:
    operations.perform(there, "backup")
    wrong = replace(there.settings.keeping.repository, password="another-password")  # type: ignore[type-var]
    there.settings = replace(there.settings, keeping=replace(there.settings.keeping, repository=wrong))
    with pytest.raises(StepError, match="the password does not open the repository"):
        operations.perform(there, "backup")
    assert len(list(there.state.backups.iterdir())) == 2
    assert "lies on the server alone" in there.notes[-1]


def test_what_the_policy_does_not_keep_goes_with_all_of_its_snapshots(there: Run) -> None:
    operations.perform(alone(there), "backup")
    each = len(snapshots(there))
    time.sleep(1.1)
    second = operations.perform(there, "backup")
    assert len(snapshots(there)) == each and len(second["forgotten"]) == 1
    kept = replace(there.settings.keeping.repository, append_only=True)  # type: ignore[type-var]
    there.settings = replace(there.settings, keeping=replace(there.settings.keeping, repository=kept))
    time.sleep(1.1)
    operations.perform(there, "backup")
    assert len(snapshots(there)) == 2 * each
    with pytest.raises(StepError, match="append-only"):
        operations.perform(there, "prune")


@pytest.mark.parametrize("local", [True, False])
def test_a_clock_that_is_wrong_is_told_and_no_backup_goes(
    there: Run, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    there.settings = replace(there.settings, keeping=replace(there.settings.keeping, local=local))
    with monkeypatch.context() as clock:
        clock.setattr(time, "gmtime", lambda *at: time.struct_time((2099, 1, 2, 3, 4, 5, 0, 1, 0)))
        ahead = operations.perform(there, "backup")["name"]
    kept = snapshots(there)
    with pytest.raises(StepError, match=f"was made, and the older backup {ahead} bears a later time") as raised:
        operations.perform(there, "backup")
    assert "Set the clock" in raised.value.advice
    assert set(kept) < set(snapshots(there)), "the new one was made, the old one stays"
    assert there.state.backup_records()[-1]["trouble"].startswith(raised.value.cause[:16])


@pytest.mark.parametrize(("operation", "least"), [("backup", 10), ("prove", 8)])
def test_killed_at_any_moment_the_last_good_backup_is_whole_and_the_app_serves(
    there: Run, monkeypatch: pytest.MonkeyPatch, operation: str, least: int
) -> None:
    upload = there.engine.volume / "upload"  # type: ignore[attr-defined]
    endless = replace(there.settings.keeping.repository, keep={})  # type: ignore[type-var]
    there.settings = replace(there.settings, keeping=replace(there.settings.keeping, repository=endless))
    good = operations.perform(there, "backup")["name"]
    kept = {name: (_place(there) / name).read_bytes() for name in snapshots(there)}
    world = there.edge.world  # type: ignore[attr-defined]
    ways: tuple[tuple[Any, str], ...] = ((Path, "rename"), (Restic, "start"), (Engine, "execute"), (Engine, "discard"))
    with monkeypatch.context() as moments:
        for where, what in ways:
            # What is done to files, the repository and databases counts as a moment, too.
            moments.setattr(where, what, _moment(world, what, getattr(where, what)))
        killed, ended = 0, False
        while not ended:
            world.kill_at = world.effects + killed + 1
            try:
                operations.perform(there, operation)
                ended = True
            except Killed:
                killed += 1
            assert world.edge == "blue" and all(c.running for c in world.containers.values()), killed
            assert {name: (_place(there) / name).read_bytes() for name in kept} == kept, killed
            assert origins.verify(there.state.backups / good), killed
    world.kill_at = None
    assert killed >= least
    upload.write_text("after")
    there.engine.volume.joinpath("later").touch()  # type: ignore[attr-defined]
    restore.restore_from(there, good, "repository")
    assert upload.read_text() == "before"


def _place(run: Run) -> Path:
    return run.state.directory.parents[1] / "repo"


def _moment(world: Any, name: str, real: Any) -> Any:
    return lambda *arguments, **further: world.effect(name, lambda: real(*arguments, **further))


def test_what_is_left_out_how_fast_it_goes_and_who_is_asked_before_and_after(there: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    asked: list[tuple[str, ...]] = []
    real = Engine.execute

    def execute(self: Any, container: str, command: Any, **streams: Any) -> int:
        if command[0] != "timeout":
            return int(real(self, container, command, **streams))
        asked.append((container, *command, str(len(snapshots(there)))))
        return 0

    monkeypatch.setattr(Engine, "execute", execute)
    hooks = {word: {"service": "web", "command": [word], "timeout": "5s"} for word in ("before", "after")}
    told = {"repository": str(_place(there)), "password": PASSWORD, "upload_limit": 512, "exclude": ["*.tmp"]}
    there.settings = replace(there.settings, keeping=keeping({**told, "hooks": hooks}, there.stack))
    operations.perform(alone(there), "backup")
    said = [json.loads(line) for line in (_place(there).parent / "calls").read_text().splitlines()]
    assert all("--limit-upload=512" in call for call in said)
    assert [call for call in said if "--exclude=*.tmp" in call and call[-1] == "."]
    assert [entry[2:] for entry in asked] == [("5", "before", "0"), ("5", "after", str(len(snapshots(there)) - 1))]


def test_a_hook_that_fails_is_told_and_no_backup_is_made(there: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Hook("web", ("false",), 5)
    there.settings = replace(there.settings, keeping=replace(alone(there).settings.keeping, before=before))
    monkeypatch.setattr(Engine, "execute", lambda *arguments, **streams: 1)
    with pytest.raises(StepError, match="the hook in web ended with status 1"):
        operations.perform(there, "backup")
    assert snapshots(there) == []


@pytest.mark.parametrize(
    ("said", "fails"),
    [
        ("error: lstat /x/a: no such file or directory\nWarning: at least one source file could not be read", False),
        ("error: open /x/a: permission denied\nWarning: at least one source file could not be read", True),
        ("Warning: at least one source file could not be read", True),
    ],
)
def test_a_file_that_an_app_removed_meanwhile_is_no_failure_and_one_that_cannot_be_read_is(
    said: str, fails: bool
) -> None:
    assert repository._vanished(3, said) != fails
    assert not repository._vanished(1, said)


def test_a_store_that_lets_nothing_be_removed_is_told(there: Run) -> None:
    operations.perform(alone(there), "backup")
    fault(there, "append-only")
    before = snapshots(there)
    time.sleep(1.1)
    with pytest.raises(StepError, match="does not let old backups be removed") as raised:
        operations.perform(there, "backup")
    assert "set compose_stack_backup_append_only" in raised.value.advice
    assert set(before) < set(snapshots(there)), "the new one was made"


def test_a_repository_of_another_stack_is_told(there: Run) -> None:
    operations.perform(alone(there), "backup")
    with pytest.raises(StepError, match="holds no backup of shop, but of crm"):
        repository.stored(_restic(there), "shop")


def test_who_is_to_be_told_of_a_failure_is_told(there: Run, tmp_path: Path) -> None:
    told = tmp_path / "told"
    there.settings = replace(
        there.settings, keeping=replace(there.settings.keeping, on_failure=("tee", str(told)), proof=("false",))
    )
    operations.perform(there, "backup")
    with pytest.raises(StepError, match="compose_stack_backup_proof ended with status 1"):
        operations.perform(there, "prove")
    assert json.loads(told.read_text())["operation"] == "prove"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repository": "/srv/x"}, "compose_stack_backup_password is blank"),
        ({"local": False}, "compose_stack_backup_repository is blank"),
        ({"keep": {"dayly": 3}}, "compose_stack_backup_keep.dayly: unknown key"),
        ({"hooks": {"before": {"service": "nosuch", "command": ["x"]}}}, "there is no service 'nosuch'"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(whole: Run, changes: dict[str, Any], said: str) -> None:  # noqa: F811
    with pytest.raises(UserError, match=said):
        keeping(changes, whole.stack)
