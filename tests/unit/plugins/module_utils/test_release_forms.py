"""Releases of what a Compose project brings along: jobs, order, several containers, files, volumes."""

from __future__ import annotations

import dataclasses
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import health, remarks
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container
from ansible_collections.sluice.deploy.plugins.module_utils.release.plan import plan
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Health, Service
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    FusedState,
    World,
    description,
    run_in,
)

UP = Container("1", "crm-blue-web", "web", "running", "", 0, 0, "127.0.0.1", "")


@pytest.fixture
def world() -> World:
    world = World()
    for reference in ("web:1", "web:2", "db:1"):
        FakeEngine(world).add_image(reference)
    return world


def shop(version: str, services: dict[str, Any] | None = None, **of: dict[str, Any]) -> dict[str, Any]:
    """The stack of every trial with further keys for its services, and with further services."""
    described = description(version)
    for name, keys in of.items():
        described["services"][name] = {**described["services"][name], **keys}
    for name, keys in (services or {}).items():
        described["services"][name] = {"image": f"web:{version}", **keys}
    return described


def names(world: World) -> set[str]:
    return {name for name, container in world.containers.items() if container.running}


JOBS: dict[str, Any] = {
    "services": {
        "migrate": {"role": "job", "depends_on": {"api": "healthy", "db": "healthy"}},
        "api": {"role": "internal", "health": {"command": ["true"]}},
    },
    "web": {"depends_on": {"migrate": "completed"}},
}


def test_a_job_runs_once_between_what_it_needs_and_what_needs_it(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, shop("1", **JOBS)))
    first = release(run_in(world, tmp_path, shop("2", **JOBS)))
    events = world.events[world.events.index("up crm-green api") :]
    assert events.index("job migrate") < events.index("up crm-green web") < events.index("switch green")
    assert events.count("job migrate") == 1
    assert "crm-green-migrate" not in names(world)
    record = FusedState(tmp_path, World()).records()[-1]
    assert record["jobs"]["migrate"]["status"] == 0
    assert record["jobs"]["migrate"]["output"] == "hook output"
    world.events.clear()
    back = rollback(run_in(world, tmp_path, shop("2", **JOBS)))
    assert back.release != first.release
    assert "job migrate" not in world.events
    assert not release(run_in(world, tmp_path, shop("1", **JOBS))).changed


def test_whoever_waits_is_told_each_step_and_which_job_runs(world: World, tmp_path: Path) -> None:
    told: list[str] = []
    release(dataclasses.replace(run_in(world, tmp_path, shop("1", **JOBS)), note_step=told.append))
    steps = (
        "look",
        "images",
        "dump",
        "pre_release",
        "start",
        "job migrate",
        "gates",
        "switch",
        "drain",
        "post_release",
    )
    asked = [step for step in steps if step in told]
    assert asked == sorted(asked, key=told.index)
    assert {"pre_release", "job migrate", "switch", "drain"} <= set(told)


def test_a_job_that_fails_stops_the_release_before_the_switch(world: World, tmp_path: Path) -> None:
    described = {**shop("1", **JOBS), "hooks": {}}
    release(run_in(world, tmp_path, described))
    before = names(world)
    world.hook_status = 3
    with pytest.raises(StepError, match="job migrate ended with status 3") as caught:
        release(run_in(world, tmp_path, {**shop("2", **JOBS), "hooks": {}}))
    assert caught.value.step == "job"
    assert (world.edge, names(world)) == ("blue", before)
    record = FusedState(tmp_path, World()).records()[-1]
    assert (record["outcome"], record["jobs"]["migrate"]["status"]) == ("failed", 3)


def test_what_a_job_says_goes_on_record_masked_and_bounded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "x" * 9000 + "\n" + "a-long-token-value" * 3
    monkeypatch.setattr(FakeEngine, "run_once", lambda *_: (0, said))
    release(run_in(world, tmp_path, shop("1", **JOBS)))
    text = (FusedState(tmp_path, World()).directory / "releases.jsonl").read_text()
    assert "a-long-token-value" not in text
    assert len(text) < 9000


def test_a_plan_names_jobs_and_what_changes_of_the_data_services(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, shop("1", **JOBS)))
    files = [{"path": "/etc/my.cnf", "content": "x"}]
    actions = plan(run_in(world, tmp_path, shop("1", **JOBS, db={"files": files, "runtime": {"init": True}}))).actions
    assert "Start or change the stateful services: db (volumes, file /etc/my.cnf, init)." in actions
    assert "Run the job migrate once." in actions


def test_several_containers_of_a_service_all_have_to_work(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = shop("1", web={"replicas": 2})
    release(run_in(world, tmp_path, described))
    assert {"crm-blue-web-1", "crm-blue-web-2"} <= names(world)
    assert not release(run_in(world, tmp_path, described)).changed
    gone = world.containers.pop("crm-blue-web-2")
    assert release(run_in(world, tmp_path, described)).changed
    world.containers[gone.name.replace("blue", "green")] = replace(gone, id="crm-green/web-2", restarts=1)
    with pytest.raises(StepError, match="service web crashed"):
        health.watch(run_in(world, tmp_path, described), run_project(world, tmp_path), [service(2)], 0, {})


def run_project(world: World, tmp_path: Path) -> Any:
    run = run_in(world, tmp_path, description("1"))
    current = run.state.serving().current
    assert current is not None
    return run.project(current)


def service(replicas: int) -> Service:
    return Service("web", role="web", port=1, replicas=replicas)


def test_what_may_not_run_twice_stops_first_and_comes_back_when_the_new_one_fails(world: World, tmp_path: Path) -> None:
    once = {"order": "stop_first", "publish": [{"port": 3000}]}
    release(run_in(world, tmp_path, shop("1", web2=once)))
    world.events.clear()
    release(run_in(world, tmp_path, shop("2", web2=once)))
    events = world.events
    assert events.index("stop crm-blue/web2") < events.index("up crm-green web2") < events.index("switch green")
    FakeEngine(world).add_image("web:3")
    world.broken_images = {"web:3", FakeEngine(world).add_image("web:3").id[7:19]}
    before = names(world)
    with pytest.raises(StepError):
        release(run_in(world, tmp_path, shop("3", web2=once)))
    assert names(world) == before


def tree(root: Path, text: str) -> str:
    (root / "conf").mkdir(exist_ok=True)
    (root / "conf/app.conf").write_text(text)
    script = root / "conf/run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    link = root / "conf/link"
    if not link.is_symlink():
        link.symlink_to("app.conf")
    return str(root / "conf")


def mounted(root: Path, release_id: str) -> Path:
    (place,) = (root / "crm/releases" / release_id / "files").iterdir()
    return place


def test_files_travel_with_their_release(world: World, tmp_path: Path) -> None:
    files = {"files": [{"path": "/etc/app", "source": tree(tmp_path, "one"), "read_only": True}]}
    first = release(run_in(world, tmp_path, shop("1", web=files))).release
    assert not release(run_in(world, tmp_path, shop("1", web=files))).changed
    tree(tmp_path, "two")
    second = release(run_in(world, tmp_path, shop("1", web=files))).release
    assert first != second
    old, new = mounted(tmp_path, first), mounted(tmp_path, second)
    assert [(p / "app.conf").read_text() for p in (old, new)] == ["one", "two"]
    assert (new / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (new / "link").readlink() == Path("app.conf")
    compose = (tmp_path / "crm/releases" / second / "compose.yml").read_text()
    assert f"./files/{new.name}:/etc/app:ro" in compose
    (tmp_path / "conf/run.sh").chmod(0o700)
    assert plan(run_in(world, tmp_path, shop("1", web=files))).changed


def test_a_file_in_words_has_the_mode_that_it_is_given(world: World, tmp_path: Path) -> None:
    files = {"files": [{"path": "/a b/c$", "content": "ü\n", "mode": "0600"}]}
    outcome = release(run_in(world, tmp_path, shop("1", web=files)))
    place = mounted(tmp_path, outcome.release)
    assert (place.read_text(), place.stat().st_mode & 0o777) == ("ü\n", 0o600)


def test_every_file_that_is_not_there_is_named_before_anything_changes(world: World, tmp_path: Path) -> None:
    missing = {"files": [{"path": "/a", "source": "/not/there"}, {"path": "/b", "source": "/nor/there"}]}
    with pytest.raises(StepError, match=r"web\.files\[0\].*/not/there.*mail\.files\[1\].*/nor/there") as caught:
        release(run_in(world, tmp_path, shop("1", web=missing, mail=missing)))
    assert caught.value.step == "look"
    assert world.events == []
    assert plan(run_in(world, tmp_path, shop("1", web=missing))).changed


def test_a_data_service_s_files_stay_while_it_runs_with_them(world: World, tmp_path: Path) -> None:
    files = {"files": [{"path": "/my.cnf", "source": tree(tmp_path, "one")}]}
    release(run_in(world, tmp_path, shop("1", db=files)))
    (old,) = (tmp_path / "crm/data-files").iterdir()
    release(run_in(world, tmp_path, shop("2", db=files)))
    assert [p.name for p in (tmp_path / "crm/data-files").iterdir()] == [old.name]
    tree(tmp_path, "two")
    release(run_in(world, tmp_path, shop("2", db=files)))
    (new,) = (tmp_path / "crm/data-files").iterdir()
    assert new.name != old.name
    assert (new / "app.conf").read_text() == "two"


def test_an_external_volume_has_to_be_there(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = {"volumes": [{"source": "data", "path": "/data", "name": "old_data", "external": True}]}
    with pytest.raises(StepError, match="old_data is external, and the server has no volume of that name"):
        release(run_in(world, tmp_path, shop("1", web=volumes)))
    monkeypatch.setattr(FakeEngine, "volume_path", lambda *_: tmp_path)
    release(run_in(world, tmp_path, shop("1", web=volumes)))
    assert "volume old_data" not in world.events
    assert "volume crm_data" not in world.events


def test_what_both_colours_write_to_is_told_unless_it_was_decided(world: World, tmp_path: Path) -> None:
    volumes = {"volumes": ["uploads:/uploads", "/etc/x:/x:ro"]}
    for version, order, told in (("1", {}, 0), ("2", {}, 1), ("1", {"order": "overlap"}, 0)):
        run = run_in(world, tmp_path, shop(version, web={**volumes, **order}))
        release(run)
        assert len([n for n in run.notes if "both write to uploads while" in n]) == told


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_without_a_check_staying_up_and_listening_is_asked(port: int) -> None:
    web = Service("web", role="web", port=port, health=Health(none=True))
    assert not health.ready(web, UP, 4.9)
    assert health.ready(web, UP, 5)
    assert not health.ready(replace(web, port=1), UP, 5)
    assert health.ready(replace(web, role="internal", port=None), UP, 5)
    # What the image says counts, whatever the description says.
    assert not health.ready(web, replace(UP, health="starting"), 99)
    assert health.ready(replace(web, health=Health()), replace(UP, health="healthy"), 0)
    # The engine is asked to ask, and has not answered yet.
    assert not health.ready(replace(web, health=Health(test=("CMD", "true"))), UP, 99)


def test_what_passed_on_trust_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_listens", lambda *_: True)
    run = run_in(world, tmp_path, shop("1", web={"health": {"none": True}}))
    release(run)
    assert [n for n in run.notes if "Service web has no health check: it passed because it stayed up and listens" in n]


def test_changes_of_data_services_are_told_by_key() -> None:
    head = "# x\nservices:\n"
    before = head + "  db:\n    image: a\n    tmpfs:\n      - /a\n  q:\n    image: q\nnetworks:\n  private: {}\n"
    after = head + "  db:\n    image: b\n    tmpfs:\n      - /b\n  q:\n    image: q\nnetworks:\n  other: {}\n"
    assert remarks.on_data(before, after, ["db", "q", "new"]) == ["db (image, tmpfs)"]
    assert remarks.on_data("", after, ["q"]) == ["q (new)"]
