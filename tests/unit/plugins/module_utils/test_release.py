"""Releases in a world that breaks at every moment: the old one serves, or the new one, and nothing stays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EdgeError, EngineError, StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import files, retention
from ansible_collections.sluice.deploy.plugins.module_utils.release.docker import Docker
from ansible_collections.sluice.deploy.plugins.module_utils.release.plan import plan
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import Outcome, release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import Deployed, Serving
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    Beginning,
    FakeEngine,
    FusedState,
    Killed,
    World,
    description,
    run_in,
)

RECREATE = {"strategy": "recreate"}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small files: that they reach the platter is not what is tried here."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world() -> World:
    world = World()
    for reference in ("web:1", "web:2", "web:3", "db:1"):
        FakeEngine(world).add_image(reference)
    return world


def versions(world: World) -> dict[str, set[str]]:
    """Image versions of what runs, by project."""
    running: dict[str, set[str]] = {}
    for container in world.containers.values():
        if container.running:
            running.setdefault(container.id.partition("/")[0], set()).add(container.image)
    return running


def served_image(world: World) -> str:
    (name,) = [n for n in (f"crm-{world.edge}-web", "crm-web") if n in world.containers]
    container = world.containers[name]
    assert container.running, f"the edge points at {name}, which is {container.state}"
    return container.image


def assert_settled(world: World, root: Path, version: str, **changes: Any) -> None:
    """One whole release of the version runs, the edge points at it, and nothing is left of the attempt."""
    state = FusedState(root, World())
    assert state.journal() is None
    current = state.serving().current
    assert current is not None
    assert world.edge == current.colour
    running = {n for n, c in world.containers.items() if c.running}
    prefix = "crm-" if changes.get("strategy") == "recreate" else f"crm-{world.edge}-"
    assert running == {f"{prefix}{s}" for s in ("web", "web2", "jobs", "mail")} | {"crm-db"}, world.events[-12:]
    kept = f"sluice/crm-web:{FakeEngine(world).add_image(f'web:{version}').id.removeprefix('sha256:')[:12]}"
    assert served_image(world) == kept


def count(world: World, action: Callable[[], object]) -> int:
    before = world.effects
    action()
    return world.effects - before


def test_the_first_release_serves_and_a_second_run_has_nothing_to_do(world: World, tmp_path: Path) -> None:
    outcome = release(run_in(world, tmp_path, description("1")))
    assert (outcome.changed, outcome.colour) == (True, "blue")
    assert_settled(world, tmp_path, "1")
    again = release(run_in(world, tmp_path, description("1")))
    assert (again.changed, again.release, again.actions) == (False, outcome.release, [])


def test_the_next_release_starts_beside_the_old_one_and_takes_over(world: World, tmp_path: Path) -> None:
    first = release(run_in(world, tmp_path, description("1")))
    world.events.clear()
    second = release(run_in(world, tmp_path, description("2")))
    assert_settled(world, tmp_path, "2")
    events = world.events
    assert events.index("hook migrate") < events.index("up crm-green web") < events.index("up crm-green jobs")
    assert events.index("stop crm-blue/jobs") < events.index("up crm-green jobs") < events.index("switch green")
    assert events.index("switch green") < events.index("hook after") < events.index("stop crm-blue/mail")
    assert world.unserved == []
    assert FusedState(tmp_path, World()).serving() == Serving(
        Deployed(second.release, "green"), Deployed(first.release, "blue")
    )


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_whether_an_image_can_ask_is_found_out_once(world: World, tmp_path: Path, damage: str) -> None:
    described = description("1")
    for name, image in (("web", "web:1"), ("web2", "web:2")):
        described["services"][name] = {"image": image, "port": 3000, "health": {"path": "/"}}
    world.mute = {"web:2"}
    images = {name: world.images[name] for name in ("web:1", "web:2", "db:1")}
    by_service = {n: images[s["image"]] for n, s in described["services"].items()}
    run = run_in(world, tmp_path, described)
    for _ in range(2):
        services = yaml.safe_load(files.render_release(run, by_service, True).compose)["services"]
        assert ("healthcheck" in services["web"], "healthcheck" in services["web2"]) == (True, False)
    assert world.asked == [images["web:1"].id, images["web:2"].id]
    if damage:
        (run.state.directory / "askers.json").write_text(damage)
        files.render_release(run, by_service, True)
        assert len(world.asked) == 4


def test_a_changed_secret_is_another_release_and_its_id_gives_nothing_away(world: World, tmp_path: Path) -> None:
    first = release(run_in(world, tmp_path, description("1")))
    changed = run_in(world, tmp_path, description("1"))
    changed.secrets = {"TOKEN": "another-long-value"}
    assert release(changed).release != first.release
    records = (tmp_path / "crm" / "releases.jsonl").read_text()
    assert "another-long-value" not in records


def begun(world: World, root: Path, **changes: Any) -> Beginning:
    """A first release serves."""
    world.judge_service = not changes
    release(run_in(world, root, description("1", **changes)))
    return Beginning(world, root)


@pytest.mark.parametrize("changes", [{}, RECREATE], ids=["blue_green", "recreate"])
@pytest.mark.parametrize("next_version", ["2", "1"], ids=["again", "back"])
def test_killed_at_any_moment_the_next_run_ends_whole(
    world: World, tmp_path: Path, changes: Any, next_version: str
) -> None:
    """kill -9 between every two effects of a second release; then the same, or the old, is released."""
    beginning = begun(world, root := tmp_path / "stack", **changes)
    moment = 0
    while True:
        moment += 1
        beginning.again()
        world.kill_at = world.effects + moment
        try:
            release(run_in(world, root, description("2", **changes)))
            break
        except Killed:
            pass
        release(run_in(world, root, description(next_version, **changes)))
        assert_settled(world, root, next_version, **changes)
        assert world.unserved == [], f"moment {moment}: {world.events}"
    assert moment > 20


def test_killed_after_its_record_a_release_runs_no_hook_again(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    world.events.clear()
    begin = world.effects
    release(run_in(world, tmp_path, description("2")))
    world.kill_at = world.effects + world.events.index("journal finish") + 2
    assert world.kill_at < world.effects + (world.effects - begin)
    world.events.clear()
    with pytest.raises(Killed):
        release(run_in(world, tmp_path, description("3")))
    release(run_in(world, tmp_path, description("3")))
    assert world.events.count("hook after") == 1
    assert_settled(world, tmp_path, "3")


def test_killed_while_recovering_the_third_run_ends_whole(world: World, tmp_path: Path) -> None:
    """Two crashes in a row, at every pair of a few moments."""
    beginning = begun(world, root := tmp_path / "stack")
    for first in range(2, 40, 4):
        for second in range(1, 20, 4):
            beginning.again()
            for moment in (first, second):
                world.kill_at = world.effects + moment
                try:
                    release(run_in(world, root, description("2")))
                except Killed:
                    continue
            world.kill_at = None
            release(run_in(world, root, description("2")))
            assert_settled(world, root, "2")
            assert world.unserved == [], f"moments {first}, {second}: {world.events}"


@pytest.mark.parametrize("changes", [{}, RECREATE], ids=["blue_green", "recreate"])
def test_refused_at_any_step_the_old_release_serves(world: World, tmp_path: Path, changes: Any) -> None:
    """Every effect of a release fails once: engine, edge, disk."""
    beginning = begun(world, root := tmp_path / "stack", **changes)
    step = 0
    failures = 0
    while True:
        step += 1
        beginning.again()
        begin = world.effects
        world.fail_at = begin + step
        try:
            release(run_in(world, root, description("2", **changes)))
        except StepError as error:
            failures += 1
            assert error.step
            assert_settled(world, root, "1", **changes)
            assert not [c for c in world.containers.values() if c.running and "crm-green" in c.id]
        assert world.unserved == [], f"step {step}: {world.events}"
        if begin + step > world.effects:
            break
    assert failures > 15


def prepared(root: Path) -> tuple[World, Callable[[], object]]:
    """A world in which a third release comes next."""
    world = World()
    for reference in ("web:1", "web:2", "web:3", "db:1"):
        FakeEngine(world).add_image(reference)
    release(run_in(world, root, description("1")))
    release(run_in(world, root, description("2")))
    return world, lambda: release(run_in(world, root, description("3")))


@pytest.mark.parametrize("trouble", [OSError, EdgeError], ids=["full disk", "edge"])
@pytest.mark.parametrize("next_version", ["2", "3"], ids=["back", "again"])
def test_killed_at_any_moment_after_a_failure_the_next_run_ends_whole(
    tmp_path: Path, trouble: type[Exception], next_version: str
) -> None:
    """The last steps fail, and the run is killed at each moment of what it does about it."""
    root = tmp_path / "stack"
    world, act = prepared(root)
    beginning = Beginning(world, root)
    world.events.clear()
    moments = count(world, act)
    switch = world.events.index("switch blue")
    for failing in range(switch, moments + 1):
        for killed in range(1, 20):
            beginning.again()
            world.break_at, world.breaks = world.effects + failing, trouble
            world.kill_at = world.effects + failing + killed
            with contextlib.suppress(StepError, Killed):
                act()
            through = world.kill_at is not None
            world.heal()
            release(run_in(world, root, description(next_version)))
            assert_settled(world, root, next_version)
            assert world.unserved == [], f"moments {failing}, {killed}: {world.events}"
            if through:
                break


@pytest.mark.parametrize(("first", "then"), [("recreate", "blue_green"), ("blue_green", "recreate")])
def test_a_way_back_to_another_strategy_leads_to_nothing_that_rests(
    world: World, tmp_path: Path, first: str, then: str
) -> None:
    world.judge_service = False
    release(run_in(world, tmp_path, description("1", strategy=first)))
    release(run_in(world, tmp_path, description("2", strategy=then)))
    world.events.clear()
    served = world.edge
    rollback(run_in(world, tmp_path, description("2", strategy=then)))
    assert_settled(world, tmp_path, "1", strategy=first)
    led_away = next(n for n, event in enumerate(world.events) if event.startswith("switch "))
    assert led_away < next(n for n, event in enumerate(world.events) if event.startswith(f"stop crm-{served}/"))


@pytest.mark.parametrize("strategy", ["blue_green", "recreate"])
def test_a_question_that_the_engine_does_not_answer_is_a_step_s_error_and_undone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """Once, whichever question it is; nothing but a step's error may pass by the undo."""
    described = [description(version, strategy=strategy) for version in ("1", "2")]
    release(run_in(world, tmp_path, described[0]))
    beginning, first, asked, failing = Beginning(world, tmp_path), served_image(world), 0, 0
    answer = FakeEngine.containers

    def containers(self: FakeEngine, project: str) -> list[Any]:
        nonlocal asked
        asked += 1
        if asked == failing:
            raise EngineError("no engine answers")
        return answer(self, project)

    monkeypatch.setattr(FakeEngine, "containers", containers)
    release(run_in(world, tmp_path, described[1]))
    undone = 0
    for failing in range(1, asked + 1):
        beginning.again()
        asked, former, began = 0, world.edge, world.effects
        try:
            release(run_in(world, tmp_path, described[1]))
            continue
        except EngineError:
            assert world.effects == began, "only what could not begin leaves without a step"
        except StepError:
            pass
        state = FusedState(tmp_path, World())
        assert state.journal() is None and world.edge == former, failing
        assert served_image(world) == first, failing
        undone += 1
    assert undone > 3


def test_a_record_that_cannot_be_written_is_no_reason_to_undo_what_serves(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    world.events.clear()
    begin = world.effects
    release(run_in(world, tmp_path, description("2")))
    at = world.events.index("record") + 1
    assert at < world.effects - begin
    world.break_at, world.breaks = world.effects + at, OSError
    run = run_in(world, tmp_path, description("3"))
    outcome = release(run)
    assert outcome.changed
    assert "serves, and what served before could not be put to rest" in run.notes[-1]
    assert world.edge == "blue"
    world.heal()
    again = release(run_in(world, tmp_path, description("3")))
    assert again.release == outcome.release
    assert again.actions == [f"An interrupted release of {outcome.release} was finished."]
    assert_settled(world, tmp_path, "3")


def test_a_release_whose_containers_are_gone_before_it_was_finished_is_undone(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    world.events.clear()
    release(run_in(world, tmp_path, description("2")))
    world.kill_at = world.effects + world.events.index("journal finish") + 2
    with pytest.raises(Killed):
        release(run_in(world, tmp_path, description("3")))
    world.judge_service = False
    FakeEngine(world).stop("crm-blue", ["web"])
    run = run_in(world, tmp_path, description("2"))
    outcome = release(run)
    assert "was undone" in outcome.actions[0]
    assert_settled(world, tmp_path, "2")


def test_trouble_of_any_kind_is_undone(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(run_in(world, tmp_path, description("1")))

    def rubbish(*arguments: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr(FakeEngine, "run_once", rubbish)
    with pytest.raises(StepError, match="unexpected UnicodeDecodeError") as caught:
        release(run_in(world, tmp_path, description("2")))
    assert caught.value.step == "pre_release"
    assert_settled(world, tmp_path, "1")


@pytest.mark.parametrize("changes", [{}, RECREATE], ids=["blue_green", "recreate"])
def test_a_release_that_crashes_is_taken_away_again(world: World, tmp_path: Path, changes: Any) -> None:
    world.judge_service = not changes
    release(run_in(world, tmp_path, description("1", **changes)))
    broken = FakeEngine(world).add_image("web:2").id.removeprefix("sha256:")[:12]
    world.broken_images.add(broken)
    with pytest.raises(StepError) as caught:
        release(run_in(world, tmp_path, description("2", **changes)))
    assert caught.value.step == "start"
    assert "service web exited with status 1" in caught.value.cause
    assert "last words of" in caught.value.log
    assert_settled(world, tmp_path, "1", **changes)
    assert FusedState(tmp_path, World()).records()[-1]["outcome"] == "failed"


def test_a_failing_migration_starts_nothing(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    world.hook_status = 3
    world.events.clear()
    with pytest.raises(StepError) as caught:
        release(run_in(world, tmp_path, description("2")))
    assert (caught.value.step, caught.value.log) == ("pre_release", "hook output")
    assert not [e for e in world.events if e.startswith(("up crm-green", "switch"))]


def test_a_first_release_that_fails_leaves_the_maintenance_page(world: World, tmp_path: Path) -> None:
    world.hook_status = 1
    with pytest.raises(StepError):
        release(run_in(world, tmp_path, description("1")))
    assert world.edge is None
    assert set(world.containers) == {"crm-db"}


def test_a_missing_image_is_named_before_anything_changes(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    world.events.clear()
    with pytest.raises(StepError) as caught:
        release(run_in(world, tmp_path, description("9")))
    assert caught.value.step == "images"
    assert "stack_services.web.image: web:9 cannot be pulled" in caught.value.cause
    assert world.events == []


def test_a_stopped_container_is_healed_without_a_gap(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    FakeEngine(world).stop("crm-blue", ["mail"])
    assert release(run_in(world, tmp_path, description("1"))).changed
    assert_settled(world, tmp_path, "1")


def test_an_edge_that_forgot_is_pointed_again(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    world.edge = None
    outcome = release(run_in(world, tmp_path, description("1")))
    assert outcome.actions == ["The edge was pointed at blue again."]
    assert_settled(world, tmp_path, "1")


def test_a_stateful_secret_does_not_change_over_existing_data(world: World, tmp_path: Path) -> None:
    described = description("1")
    described["services"]["db"]["secrets"] = ["TOKEN"]
    release(run_in(world, tmp_path, described))
    changed = run_in(world, tmp_path, described)
    changed.secrets = {"TOKEN": "another-long-value"}
    with pytest.raises(StepError, match=r"the secret db\.TOKEN has a new value, and the data on disk"):
        release(changed)
    described["services"]["cache"] = {
        "image": "db:1",
        "stateful": True,
        "secrets": ["TOKEN"],
        "health": {"command": ["true"]},
    }
    assert release(run_in(world, tmp_path, described)).changed


@pytest.mark.parametrize("changes", [{}, RECREATE], ids=["blue_green", "recreate"])
def test_rollback_and_forth(world: World, tmp_path: Path, changes: Any) -> None:
    world.judge_service = not changes
    first = release(run_in(world, tmp_path, description("1", **changes)))
    release(run_in(world, tmp_path, description("2", **changes)))
    world.registry.clear()
    world.events.clear()
    outcome = rollback(run_in(world, tmp_path, description("2", **changes)))
    assert outcome.release == first.release
    assert_settled(world, tmp_path, "1", **changes)
    assert "hook migrate" not in world.events
    rollback(run_in(world, tmp_path, description("2", **changes)))
    assert_settled(world, tmp_path, "2", **changes)
    assert world.unserved == []


def test_rollback_to_a_named_release(world: World, tmp_path: Path) -> None:
    ids = [release(run_in(world, tmp_path, description(v))).release for v in ("1", "2", "3")]
    rollback(run_in(world, tmp_path, description("3")), ids[0][:6])
    assert_settled(world, tmp_path, "1")
    assert world.unserved == []


def test_rollback_refuses_what_is_not_there(world: World, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="no release before"):
        rollback(run_in(world, tmp_path, description("1")))
    release(run_in(world, tmp_path, description("1")))
    release(run_in(world, tmp_path, description("2")))
    with pytest.raises(StepError, match="'ffff' is not on the server"):
        rollback(run_in(world, tmp_path, description("2")), "ffff")
    world.images = {k: v for k, v in world.images.items() if not v.reference.startswith("web:1")}
    with pytest.raises(StepError, match=r"the images of release .* are gone"):
        rollback(run_in(world, tmp_path, description("2")))
    assert_settled(world, tmp_path, "2")


def test_a_plan_changes_nothing(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    effects = world.effects
    assert not plan(run_in(world, tmp_path, description("1"))).changed
    outcome: Outcome = plan(run_in(world, tmp_path, description("2")))
    assert outcome.changed
    assert "sluice/crm-web" in outcome.diff["after"]
    assert plan(run_in(world, tmp_path, description("9"))).actions[0] == "Pull web:9."
    assert world.effects == effects


def test_a_plan_on_a_bare_server_needs_no_engine(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(world, tmp_path, description("1"))
    run.engine = Docker()
    monkeypatch.setenv("PATH", "")
    before = world.effects
    outcome = plan(run)
    assert outcome.changed
    assert world.effects == before


def test_retention_keeps_the_running_release_and_its_way_back(world: World, tmp_path: Path) -> None:
    ids = [release(run_in(world, tmp_path, description(v), keep_releases=2)).release for v in ("1", "2", "3")]
    assert sorted(d.name for d in (tmp_path / "crm" / "releases").iterdir()) == sorted(ids[1:])
    assert "web:1" not in {e.rpartition(" ")[2] for e in world.events if e.startswith("keep")}
    assert [e for e in world.events if e.startswith("forget sluice/crm-web:")]


def test_retention_never_counts_below_two() -> None:
    serving = Serving(Deployed("b", "blue"), Deployed("a", "green"))
    records = [{"release": r, "outcome": "succeeded"} for r in "xyzab"]
    assert retention.releases_to_keep(records, serving, 1) == {"a", "b"}
    assert retention.releases_to_keep(records, serving, 3) == {"a", "b", "z"}


@pytest.mark.parametrize("pulled", [True, False], ids=["by digest", "built here"])
@pytest.mark.parametrize(
    ("service", "versions", "refused"),
    [
        ("postgres", ("16", "16.4", "17"), "postgres 17 does not read the data that postgres 16.4 wrote"),
        ("redis", ("7.2", "7.4", "7.0"), "redis 7.0 does not read the data that redis 7.4 wrote"),
    ],
)
def test_a_version_that_does_not_read_the_data_is_refused_before_anything_stops(
    world: World, tmp_path: Path, service: str, versions: tuple[str, str, str], refused: str, pulled: bool
) -> None:
    for version in versions:
        FakeEngine(world).add_image(f"local/{service}:{version}", "sha256:" + "a" * 64 if pulled else "")
    described = description("1")
    for version in versions[:2]:
        described["services"]["db"]["image"] = f"local/{service}:{version}"
        release(run_in(world, tmp_path, described))
    described["services"]["db"]["image"] = f"local/{service}:{versions[2]}"
    world.events.clear()
    with pytest.raises(StepError, match=refused):
        release(run_in(world, tmp_path, described))
    with pytest.raises(StepError, match=refused):
        plan(run_in(world, tmp_path, described))
    assert world.events == []


def test_a_data_service_that_does_not_come_up_is_replaced_by_the_former_one(world: World, tmp_path: Path) -> None:
    release(run_in(world, tmp_path, description("1")))
    before = world.containers["crm-db"].image
    broken = FakeEngine(world).add_image("db:2").id.removeprefix("sha256:")[:12]
    world.broken_images.add(broken)
    described = description("1")
    described["services"]["db"]["image"] = "db:2"
    run = run_in(world, tmp_path, described)
    with pytest.raises(StepError, match="service db exited with status 1") as caught:
        release(run)
    assert caught.value.step == "stateful"
    assert "The former data services run again." in run.notes
    assert world.containers["crm-db"].image == before
    assert_settled(world, tmp_path, "1")
    assert not plan(run_in(world, tmp_path, description("1"))).changed


def test_killed_while_a_data_service_changes_the_former_description_finds_the_former_service(tmp_path: Path) -> None:
    described = description("1")
    described["services"]["db"]["image"] = "db:2"
    moment = 0
    while True:
        moment += 1
        root, world = tmp_path / str(moment), World()
        for reference in ("web:1", "db:1", "db:2"):
            FakeEngine(world).add_image(reference)
        release(run_in(world, root, description("1")))
        before = world.containers["crm-db"].image
        world.kill_at = world.effects + moment
        try:
            release(run_in(world, root, described))
            break
        except Killed:
            pass
        release(run_in(world, root, description("1")))
        assert world.containers["crm-db"].image == before
        assert_settled(world, root, "1")
    assert moment > 3


def test_what_was_kept_warm_with_another_secret_starts_anew(world: World, tmp_path: Path) -> None:
    """Its containers run on, and would be left alone: they know the password that the database no longer takes."""
    for version in ("1", "2"):
        described = description(version, keep_warm=600)
        release(run_in(world, tmp_path, described))
    run = run_in(world, tmp_path, description("2", keep_warm=600))
    run.secrets["TOKEN"] = "another-long-token"
    world.events.clear()
    rollback(run)
    assert (
        world.events.index("stop crm-blue/web")
        < world.events.index("up crm-blue web")
        < world.events.index("switch blue")
    )
    assert world.unserved == []
