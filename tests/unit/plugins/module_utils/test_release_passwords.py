"""A database's password follows the vault's, whatever breaks on the way; and goes back with a release that failed."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.module_utils.databases import postgres, scram
from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError, UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release import passwords
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.plugins.module_utils.release.serving import stack_of
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import Deployed, write_description
from ansible_collections.sluice.deploy.plugins.module_utils.stack.override import with_value
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    Killed,
    World,
    description,
    run_in,
)

OLD, NEW = "an-old-password/1", "a-new-password/2"
URL = "postgres://u:{}@db/d"


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What PostgreSQL keeps of the password; made with the old one."""
    kept = {"db": scram.verifier(OLD, iterations=1)}
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("os.chown", lambda *arguments: None)
    monkeypatch.setattr(scram, "_ITERATIONS", 1)
    monkeypatch.setattr(scram.verifier, "__defaults__", (b"", 1))

    def put(self: Any, run: Run, container: str, value: str) -> None:
        run.engine.world.effect("password", lambda: kept.update(db=value))  # type: ignore[attr-defined]

    monkeypatch.setattr(postgres.Scram, "kept", lambda self, run, container: kept["db"])
    monkeypatch.setattr(postgres.Scram, "keep", put)
    return kept


def world() -> World:
    made = World()
    for reference in ("web:1", "web:2", "db:1"):
        FakeEngine(made).add_image(reference)
    return made


def described(version: str) -> dict[str, Any]:
    stack = description(version)
    stack["services"]["db"] |= {
        "backup": "postgres",
        "secrets": [{"name": "PW", "as": "file", "env": "POSTGRES_PASSWORD_FILE"}],
    }
    for name in ("web", "web2"):
        stack["services"][name] = {
            **stack["services"][name],
            "secrets": [{"name": "URL", "as": "file"}, "URL", "TOKEN"],
        }
    return stack


def run_with(there: World, root: Path, version: str, password: str) -> Run:
    run = run_in(there, root, described(version), dump_before_migration=False)
    run.secrets = {"PW": password, "URL": URL.format(quote(password)), "TOKEN": "a-long-token-value"}
    return run


def serving_password(run: Run) -> str:
    """The password that the serving release's web service has, the same by file and by environment."""
    current = run.state.serving().current
    assert current
    directory = run.project(current).directory
    by_file = (directory / "secrets/web/URL").read_text()
    override = yaml.safe_load((directory / "secrets.yml").read_text())["services"]["web"]["environment"]
    assert override == {"URL": by_file, "TOKEN": "a-long-token-value"}
    (found,) = [p for p in (OLD, NEW) if by_file == URL.format(quote(p))]
    return found


def test_a_new_password_is_changed_in_the_database(tmp_path: Path, database: dict[str, str]) -> None:
    there = world()
    assert release(run_with(there, tmp_path, "1", OLD)).changed
    assert "password" not in there.events
    run = run_with(there, tmp_path, "1", NEW)
    assert release(run).changed
    assert scram.matches(database["db"], NEW) and serving_password(run) == NEW
    assert "The password of db was changed in the database." in run.notes
    assert not release(run_with(there, tmp_path, "1", NEW)).changed


@pytest.mark.parametrize("asked", [True, False])
def test_a_database_that_nothing_asks_for_its_health_is_given_time_to_start(
    tmp_path: Path, database: dict[str, str], monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    there, answers = world(), iter([False, False, True, True])

    def kept(self: Any, run: Run, container: str) -> str:
        if not next(answers):
            raise StepError("the database does not tell whether its password is current")
        return database["db"]

    monkeypatch.setattr(postgres.Scram, "kept", kept)
    run = run_with(there, tmp_path, "1", OLD)
    if not asked:
        described_db = {k: v for k, v in run.description["services"]["db"].items() if k != "health"}
        run.description["services"]["db"] = described_db
        run.stack = parse_stack(run.description)
    outcome = pytest.raises(StepError, match="does not tell") if asked else contextlib.nullcontext()
    with outcome:
        release(run)


def test_refused_or_killed_at_any_moment_database_and_release_agree(tmp_path: Path, database: dict[str, str]) -> None:
    for trouble in ("fail_at", "kill_at"):
        moment = 0
        while True:
            moment += 1
            there, root = world(), tmp_path / f"{trouble}{moment}"
            database["db"] = scram.verifier(OLD)
            release(run_with(there, root, "1", OLD))
            setattr(there, trouble, there.effects + moment)
            try:
                release(run_with(there, root, "2", NEW))
                finished = getattr(there, trouble) is not None
            except StepError:
                finished = False
            except Killed:
                # The next run, whatever it brings, first undoes or finishes what was cut off.
                finished = False
                release(run_with(there, root, "2", NEW))
            run = run_with(there, root, "2", NEW)
            if not run.state.journal():
                assert scram.matches(database["db"], serving_password(run)), f"{trouble} {moment}: {there.events}"
            release(run)
            assert scram.matches(database["db"], NEW) and serving_password(run) == NEW, f"{trouble} {moment}"
            assert not (run.state.directory / "passwords.json").exists()
            if finished:
                break
        assert moment > 15


def test_the_way_back_gets_today_s_password(tmp_path: Path, database: dict[str, str]) -> None:
    there = world()
    first = release(run_with(there, tmp_path, "1", OLD)).release
    release(run_with(there, tmp_path, "2", NEW))
    run = run_with(there, tmp_path, "2", NEW)
    assert rollback(run).release == first
    current = run.state.serving().current
    assert current and stack_of(run, current).services["web"].image == "web:1"
    assert scram.matches(database["db"], NEW) and serving_password(run) == NEW


def test_the_verifier_is_the_one_of_rfc_7677() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    made = scram.verifier("pencil", salt, 4096)
    keys = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    assert made == f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${keys}"
    assert scram.matches(made, "pencil") and not scram.matches(made, "Pencil")


@pytest.mark.parametrize("kept", ["", "md5" + "0" * 32, "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$1:%$a:b"])
def test_what_is_no_verifier_matches_nothing(kept: str) -> None:
    assert not scram.matches(kept, "pencil")


@pytest.mark.parametrize(
    ("password", "bytes_"),
    [
        ("plain", b"plain"),
        ("I\u00adX", b"IX"),
        ("\u2168", b"IX"),
        ("a\u00a0b\u00e9", "a b\u00e9".encode()),
        ("\u00e9\u0007", "\u00e9\u0007".encode()),
        ("\u0627\u0031", "\u0627\u0031".encode()),
        ("\u00ad", "\u00ad".encode()),
    ],
)
def test_passwords_are_prepared_as_clients_do(password: str, bytes_: bytes) -> None:
    assert scram.prepared(password) == bytes_


def test_one_value_of_an_override_is_replaced() -> None:
    text = 'services:\n  web:\n    environment:\n      URL: "old"\n      URL_2: "kept"\n  jobs:\n    environment:\n      URL: "kept"\n'
    found = yaml.safe_load(with_value(text, "web", "URL", "n$w"))["services"]
    assert found["web"]["environment"] == {"URL": "n$$w", "URL_2": "kept"}
    assert found["jobs"]["environment"] == {"URL": "kept"}


@pytest.mark.parametrize("content", ["", '{"db": "SCR', '{"db": {"kept": "x"}}', "[]"])
def test_a_note_of_passwords_that_says_nothing_is_told(tmp_path: Path, content: str) -> None:
    run = run_in(world(), tmp_path, described("1"))
    run.state.passwords_note.write_text(content)
    with pytest.raises(UserError, match=r"passwords\.json is (empty or cut off.*move the file away|of a form)"):
        passwords.put_back(run)
    assert run.state.passwords_note.exists()


def test_a_description_of_a_newer_version_is_told(tmp_path: Path) -> None:
    run = run_in(world(), tmp_path, described("1"))
    newer = {**described("1"), "orbit": 3}
    run.state.release_directory("r9").mkdir()
    write_description(run.state.release_directory("r9"), {"description": newer, "images": {}})
    with pytest.raises(UserError, match=r"release r9 was described in a form .*orbit.*run the newer version"):
        stack_of(run, Deployed("r9", "blue"))
