"""Tasks of a swarm as a release sees them, and the engine that asks for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.docker.tasks import Task, containers_of
from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container
from ansible_collections.sluice.deploy.plugins.module_utils.release.health import trouble
from ansible_collections.sluice.deploy.plugins.module_utils.release.swarm import Swarm
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Service
from ansible_collections.sluice.deploy.plugins.module_utils.stack.swarm import content_of

EDGE = {"Name": "sluice-edge", "Driver": "overlay", "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4097", "encrypted": ""}}  # fmt: skip


def service(replicas: int = 2, updated: str = "2026-01-01T00:00:10Z", check: bool = True) -> dict[str, Any]:
    container = {"Image": "app@sha256:1", **({"Healthcheck": {"Test": ["CMD", "x"]}} if check else {})}
    labels = {"com.docker.compose.project": "crm-blue", "com.docker.compose.service": "web"}
    mode = {"Replicated": {"Replicas": replicas}}
    spec = {"Name": "crm_blue-web", "Labels": labels, "Mode": mode, "TaskTemplate": {"ContainerSpec": container}}
    return {"ID": "s", "UpdatedAt": updated, "Spec": spec}


def task(
    identifier: str, state: str, slot: int = 1, second: int = 11, desired: str = "running", node: str = "ready"
) -> Task:
    status = {"State": state, "Timestamp": f"2026-01-01T00:00:{second}.5Z", "ContainerStatus": {"ExitCode": 3}}
    told = {
        "ID": identifier,
        "ServiceID": "s",
        "Slot": slot,
        "NodeID": "n",
        "CreatedAt": f"2026-01-01T00:00:{second}.123Z",
        "DesiredState": desired,
        "Status": status,
        "NetworksAttachments": [{"Network": {"Spec": {"Name": "sluice-edge"}}, "Addresses": ["10.0.1.3/24"]}],
    }
    return Task(told, {"Description": {"Hostname": "m1"}, "Status": {"State": node}})


def seen(tasks: list[Task], **of_service: Any) -> list[Container]:
    return list(containers_of([service(**of_service)], tasks, lambda a: (a["sluice-edge"], "/ns")))


def test_what_runs_is_healthy_and_says_how_it_is_reached() -> None:
    one, two = seen([task("a", "running"), task("b", "starting", slot=2)])
    assert (one.state, one.health, one.address, one.namespace) == ("running", "healthy", "10.0.1.3", "/ns")
    assert (two.state, two.health, two.address) == ("created", "starting", "")
    assert (one.name, one.node) == ("crm_blue-web.1@m1", "m1")
    assert (one.service, one.restarts) == ("web", 0)


def test_without_a_check_nothing_is_said_of_health() -> None:
    assert seen([task("a", "running")], check=False)[0].health == ""


def test_a_crash_is_told_by_the_task_that_crashed() -> None:
    (found,) = seen([task("a", "failed", desired="shutdown"), task("b", "starting", second=12)])
    assert (found.id, found.restarts, found.exit_code, found.state) == ("a", 1, 3, "created")


def test_a_task_whose_check_fails_is_ended_by_the_swarm() -> None:
    ended = task("a", "complete", desired="shutdown")
    (found,) = seen([ended, task("b", "starting", second=12)])
    assert (found.id, found.health, found.restarts) == ("a", "unhealthy", 0)
    (found,) = seen([ended, task("b", "running", second=12)])
    assert (found.health, found.restarts) == ("healthy", 1)
    (found,) = seen([ended, task("b", "starting", second=12)], check=False)
    assert (found.health, found.restarts) == ("", 1)


def test_a_node_that_cannot_get_the_image_is_told_in_its_own_words() -> None:
    rejected = task("a", "rejected", desired="shutdown")
    rejected.told["Status"]["Err"] = "No such image: app@sha256:1"
    (found,) = seen([rejected, task("b", "preparing", second=12)])
    cause = trouble(Service(name="web"), found)
    assert cause == "service web cannot be started on the node m1: No such image: app@sha256:1"


def test_a_crash_of_another_time_is_none() -> None:
    (found,) = seen([task("a", "failed", second=1, desired="shutdown"), task("b", "running", second=12)])
    assert (found.id, found.restarts) == ("b", 0)


def test_a_task_that_was_moved_has_not_crashed() -> None:
    (found,) = seen([task("a", "shutdown", desired="shutdown"), task("b", "running", second=12)])
    assert (found.id, found.restarts, found.state) == ("b", 0, "running")


def test_places_that_are_wanted_no_more_are_left_out_and_rest_is_told() -> None:
    tasks = [task("a", "running"), task("b", "shutdown", slot=3, desired="shutdown")]
    assert [c.id for c in seen(tasks, replicas=1)] == ["a"]
    assert [c.state for c in seen([task("a", "shutdown", desired="shutdown")], replicas=0)] == ["exited"]


@pytest.mark.parametrize(
    ("state", "node", "at_work"),
    [("running", "ready", True), ("running", "down", False), ("shutdown", "ready", False), ("starting", "ready", True)],
)
def test_what_a_lost_node_said_last_is_not_believed(state: str, node: str, at_work: bool) -> None:
    assert task("a", state, node=node).at_work is at_work


class Fake(Swarm):
    """A swarm whose answers are given, and whose commands are noted."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__()
        self.answers, self.ran = answers, []

    def _ask(self, path: str, **query: str) -> Any:
        if path not in self.answers:
            raise EngineError(f"{path} not found")
        return self.answers[path]

    def _docker(self, *arguments: str, timeout: float = 0) -> str:
        self.ran.append(list(arguments))
        return ""


def test_a_network_of_the_stack_is_as_the_edges_is() -> None:
    swarm = Fake({"/networks/sluice-edge": EDGE})
    swarm.ensure_network("crm")
    (argv,) = swarm.ran
    assert argv[:5] == ["network", "create", "--driver", "overlay", "--attachable"]
    assert "--opt=encrypted=" in argv
    assert not [word for word in argv if "vxlanid" in word]


def test_a_network_of_one_host_is_not_taken_for_the_swarms() -> None:
    swarm = Fake({"/networks/sluice-edge": EDGE, "/networks/crm": {"Driver": "bridge"}})
    with pytest.raises(EngineError, match="of this host alone: the stack ran here without a swarm"):
        swarm.ensure_network("crm")


def test_without_the_edges_network_the_advice_is_to_make_it() -> None:
    with pytest.raises(EngineError, match="no overlay network sluice-edge: run docker_host"):
        Fake({}).ensure_network("crm")


@pytest.mark.parametrize(
    ("digests", "reference"),
    [
        (["sluice/crm-web@sha256:9", "registry.example.com/web@sha256:1"], "registry.example.com/web@sha256:1"),
        (["sluice/crm-web@sha256:9"], "sha256:abc"),
        (None, "sha256:abc"),
    ],
)
def test_an_image_is_named_so_that_it_is_the_same_on_every_node(digests: list[str] | None, reference: str) -> None:
    swarm = Fake({"/images/sluice/crm-web:0123/json": {"Id": "sha256:abc", "RepoDigests": digests}})
    assert swarm._everywhere("sluice/crm-web:0123") == reference


def test_commands_for_a_task_are_not_sent_to_another_node() -> None:
    identifier = "a" * 25
    told = {"NodeID": "n2", "Status": {"ContainerStatus": {"ContainerID": "c"}}}
    swarm = Fake({f"/tasks/{identifier}": told, "/info": {"Swarm": {"NodeID": "n1"}}})
    with pytest.raises(EngineError, match="runs on another node"):
        swarm.execute(identifier, ["true"])


def test_what_rests_is_told_as_a_command() -> None:
    swarm = Fake({"/services": [service(0)]})
    assert swarm.rest_command("crm-blue", ["web"]) == []
    swarm = Fake({"/services": [service()]})
    assert swarm.rest_command("crm-blue", ["web"]) == ["docker", "service", "scale", "--detach", "crm_blue-web=0"]


@pytest.mark.parametrize("wait", [True, False])
def test_who_needs_it_waits_until_tasks_have_ended(wait: bool) -> None:
    class Ending(Fake):
        def _rest(self, services: Any) -> bool:
            self.ran.append(["waited"])
            return True

    swarm = Ending({"/services": [service()]})
    swarm.stop("crm-blue", wait=wait)
    scaled = ["service", "scale", "--detach", "crm_blue-web=0"]
    assert swarm.ran == [scaled, *([["waited"]] if wait else [])]


def test_of_a_large_swarm_only_the_tasks_of_the_release_are_asked_for() -> None:
    asked: list[tuple[str, str]] = []

    class Large(Fake):
        def _ask(self, path: str, **query: str) -> Any:
            asked.append((path, query.get("filters", "")))
            return super()._ask(path, **query)

    mine = task("a", "running").told
    swarm = Large({"/services": [service(1)], "/tasks": [mine], "/nodes": [], "/networks/sluice-edge": EDGE})
    assert [c.name for c in swarm.containers("crm-blue")] == ["crm_blue-web.1@no node"]
    assert ("/services", '{"label": ["com.docker.compose.project=crm-blue"]}') in asked
    swarm.containers("crm-blue")
    assert [query for path, query in asked if path == "/tasks"] == ['{"service": ["s"]}'] * 2
    assert len([path for path, _ in asked if path == "/nodes"]) == 1


def test_a_service_that_is_gone_has_no_tasks_at_work() -> None:
    class Gone(Fake):
        def _ask(self, path: str, **query: str) -> Any:
            if path == "/tasks" and query:
                raise EngineError("service s not found")
            return super()._ask(path, **query)

    other = {**task("b", "running").told, "ServiceID": "other"}
    assert not Gone({"/tasks": [other], "/nodes": []})._tasks(["s"])
    with pytest.raises(EngineError, match="silent"):
        Silent({})._tasks(["s"])


class Silent(Fake):
    """An engine that does not answer."""

    def _ask(self, path: str, **query: str) -> Any:
        raise EngineError("silent")


def test_contents_that_nothing_uses_go(tmp_path: Path) -> None:
    used, old = ({"Spec": {"Name": f"crm-KEY-{n}"}} for n in "12")
    spec = service()
    spec["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"] = [{"SecretName": "crm-KEY-1"}]
    swarm = Fake({"/services": [spec], "/secrets": [used, old], "/configs": []})
    swarm._forget_contents("crm")
    assert swarm.ran == [["secret", "rm", "crm-KEY-2"]]


def test_a_directory_and_a_large_file_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is no file"):
        content_of("crm", str(tmp_path), secret=False)
    (tmp_path / "large").write_bytes(b"x" * (500 * 1024 + 1))
    with pytest.raises(EngineError, match="larger than 512000 bytes"):
        content_of("crm", str(tmp_path / "large"), secret=False)


def test_a_name_of_contents_changes_with_them_and_says_nothing_of_them(tmp_path: Path) -> None:
    names = set()
    for value in ("one", "two"):
        (tmp_path / "my key").write_text(value)
        found = content_of("a" * 30, str(tmp_path / "my key"), secret=True)
        names.add(found.name)
        assert len(found.name) <= 64
        assert value not in json.dumps(found.name)
    assert len(names) == 2


def test_the_engine_of_a_description(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.sluice.deploy.plugins.module_utils.release import engines
    from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack

    def of(engine: str, inherit: Sequence[int] = ()) -> str:
        described = {"name": "crm", "engine": engine, "services": {"web": {"image": "crm:1"}}}
        return type(engines.engine_of(parse_stack(described), inherit)).__name__

    assert (of("compose"), of("swarm")) == ("Docker", "Swarm")
    # No engine at all is as good as one host.
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    assert type(engines.engine_of_host()).__name__ == "Docker"


def test_a_network_is_entered_by_a_container_of_this_node_and_anew_when_that_ended(tmp_path: Path) -> None:
    # An engine leaves a bare file of it for a while; what is there yet is mounted.
    gone, there = tmp_path / "gone", Path("/proc")
    gone.touch()
    answers: dict[str, Any] = {"/networks/sluice-edge": {"Containers": {"lb-sluice-edge": {}, "c" * 64: {}}}}
    swarm = Fake(answers)
    assert swarm._reach({"sluice-edge": "10.0.1.3"}) == ("", "")
    for place in (gone, there):
        told = {"State": {"Running": True}, "NetworkSettings": {"SandboxKey": str(place)}}
        answers[f"/containers/{'c' * 64}/json"] = told
        assert swarm._reach({"crm": "10.0.2.3", "sluice-edge": "10.0.1.3"}) == ("10.0.1.3", str(place))
    # It is not asked for again.
    del answers[f"/containers/{'c' * 64}/json"]
    assert swarm._reach({"sluice-edge": "10.0.1.4"}) == ("10.0.1.4", str(there))
