"""What a release asks of the managers of a large swarm: questions, orders and bytes, by simulation.

    python tests/bench/bench_swarm_scale.py [NODES STACKS SERVICES]

Nodes, services and tasks are as large as an engine's are; each task works two seconds after its order. The swarm has so
many stacks of so many services each, all with two tasks; one of them is released twice.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
import tempfile
import time
from collections import Counter
from typing import Any

COLLECTIONS = pathlib.Path(__file__).resolve().parents[2] / ".collections"
sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.release.checks import GATES  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.release.edge import NoEdge  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.release.ledger import Ledger  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run, Settings  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.release.shelf import SwarmShelf  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.release.swarm import Swarm  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import StackState  # noqa: E402
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack  # noqa: E402

TASKS, WORKS_AFTER = 2, 2.0
# Bytes of one, as an engine of version 26 told them.
NODE, SERVICE, TASK = 2000, 3300, 2100


class Managers:
    """What the managers know, and what they were asked."""

    def __init__(self, nodes: int, stacks: int, services: int) -> None:
        self.released = [f"s{n}" for n in range(services)]
        self.services: dict[str, tuple[dict[str, Any], float]] = {}
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.nodes = [sized({"ID": f"n{n}", "Description": {"Hostname": f"n{n}"},
                             "Status": {"State": "ready"}}, NODE) for n in range(nodes)]  # fmt: skip
        for stack in range(stacks - 1):
            for service in range(services):
                self.add(f"other{stack}_blue-s{service}", {"x": "y"}, TASKS, -WORKS_AFTER)

    def add(self, name: str, labels: dict[str, str], replicas: int, since: float) -> None:
        spec = {"Name": name, "Labels": labels, "Mode": {"Replicated": {"Replicas": replicas}},
                "TaskTemplate": {"ContainerSpec": {"Image": "a", "Healthcheck": {"Test": ["x"]}}}}  # fmt: skip
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.services[name] = sized({"ID": name, "UpdatedAt": moment, "Spec": spec}, SERVICE), since

    def tasks(self, name: str) -> list[dict[str, Any]]:
        service, since = self.services[name]
        state = "running" if time.monotonic() - since > WORKS_AFTER else "starting"
        return [
            sized({"ID": f"{name}.{slot}", "ServiceID": name, "Slot": slot + 1, "NodeID": f"n{slot}",
                   "CreatedAt": service["UpdatedAt"], "DesiredState": "running",
                   "Status": {"State": state, "Timestamp": service["UpdatedAt"]}}, TASK)
            for slot in range(service["Spec"]["Mode"]["Replicated"]["Replicas"])
        ]  # fmt: skip

    def answer(self, path: str, filters: dict[str, list[str]]) -> Any:
        if path == "/nodes":
            return self.nodes
        if path == "/services":
            key, _, value = filters["label"][0].partition("=")
            return [s for s, _ in self.services.values() if s["Spec"]["Labels"].get(key) == value]
        if path == "/tasks":
            return [task for name in filters.get("service", self.services) for task in self.tasks(name)]
        if path in ("/configs", "/secrets"):
            kept = self.objects.get(path, {}).values()
            return [o for o in kept if filters["label"][0].partition("=")[0] in o["Spec"]["Labels"]]
        return {"/version": {"ApiVersion": "1.45"}, "/info": {"Swarm": {"NodeID": "n0"}}}.get(path, [])


class Simulated(SwarmShelf, Swarm):
    """The engine, whose managers are simulated."""

    managers: Managers

    def _ask(self, path: str, **query: str) -> Any:
        if path.startswith("/networks/"):
            found: Any = {"Driver": "overlay", "Options": {}, "Containers": {}}
        elif path.startswith("/images/"):
            found = {"Id": f"sha256:{hashlib.sha256(path.encode()).hexdigest()}", "Size": 1}
        else:
            found = self.managers.answer(path, json.loads(query.get("filters", "{}")))
        self._count(f"GET {path.split('/')[1]}", json.dumps(found))
        return found

    def _change(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        self._count(f"{method} {path.split('/')[1]}", json.dumps(body))
        kept = self.managers.objects.setdefault(f"/{path.split('/')[1]}", {})
        if method == "POST":
            if body["Name"] in kept:
                raise EngineError("already exists")
            kept[body["Name"]] = {"ID": body["Name"], "Version": {"Index": 1}, "Spec": body}
        else:
            kept.pop(path.rpartition("/")[2])

    def _count(self, what: str, told: str) -> None:
        self.managers.calls[what] += 1
        self.managers.bytes[what] += len(told)

    def _compose(self, project: Any, *arguments: str) -> str:
        web = {"image": "a", "healthcheck": {"test": ["CMD", "x"]}, "deploy": {"replicas": TASKS}}
        return json.dumps({"services": {f"s{n}": web for n in range(len(self.managers.released))}})

    def _checked(self, argv: list[str], timeout: float, colour: str = "", said: str = "") -> str:
        self._count(" ".join(argv[: 2 if argv[1] == "tag" else 3]), said)
        if said:
            for name, told in json.loads(said)["services"].items():
                self.managers.add(f"crm_{name}", told["deploy"]["labels"], TASKS, time.monotonic())
        if argv[:3] == ["docker", "service", "scale"]:
            for name in (word.removesuffix("=0") for word in argv[4:]):
                self.managers.add(name, self.managers.services[name][0]["Spec"]["Labels"], 0, 0)
        return ""


def sized(told: dict[str, Any], size: int) -> dict[str, Any]:
    return {**told, "more": "x" * (size - len(json.dumps(told)))}


def main(nodes: int = 50, stacks: int = 20, services: int = 10) -> None:
    managers = Managers(nodes, stacks, services)
    Simulated.managers = managers
    with tempfile.TemporaryDirectory() as place:
        for version in ("1", "2"):
            web = {"image": f"web:{version}", "health": {"command": ["true"]}, "replicas": TASKS}
            described = {"name": "crm", "engine": "swarm", "services": dict.fromkeys(managers.released, web)}
            state = StackState(place, "crm")
            state.create()
            engine = Simulated(pathlib.Path(place))
            settings = Settings(levels=dict.fromkeys(GATES, "off"), minimum_free=0)
            run = Run(parse_stack(described), described, {}, settings, state, engine, NoEdge(None))
            ledger = Ledger(engine, state, pinned=False)
            ledger.open()
            state.on_change = ledger.keep
            managers.calls.clear(), managers.bytes.clear()
            cpu, begun = time.process_time(), time.monotonic()
            release(run)
            cpu, took = time.process_time() - cpu, time.monotonic() - begun
    print(f"{nodes} nodes, {stacks} stacks of {services} services, each of {TASKS} tasks: one release")
    print(f"  {took:.1f} s, of which {cpu:.2f} s of processor, simulation included")
    for what, count in managers.calls.most_common():
        print(f"  {what:24} {count:5d} times {managers.bytes[what] / 1024:10.1f} KiB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
