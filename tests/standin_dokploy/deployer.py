# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The queue and the worker that carries deployments out."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from . import dotenv
from .convert import ConversionError, convert
from .store import Store, now

Row = dict[str, Any]


class Engine(Protocol):
    """What carries out commands; the tests' own one needs no Docker."""

    def run(self, argv: list[str], directory: Path, log: Callable[[str], None]) -> int: ...

    def containers(self, project: str) -> list[Row]: ...

    def container_log(self, container: str, tail: int) -> str: ...

    def inspect(self, kind: str, name: str) -> Row | None: ...

    def route(self) -> None: ...


class Deployer:
    """One worker, one job at a time, as buildsConcurrency 1 has it."""

    def __init__(self, store: Store, engine: Engine, directory: Path) -> None:
        self._store = store
        self.engine = engine
        self._directory = directory
        self._wake = threading.Condition(store.lock)
        self._jobs: list[Row] = []
        self._generation = 0
        # Seconds that a job spends in the queue at least, so that a client meets the time without a row.
        self.queue_delay = 0.0
        # Seconds between a deployment's end and its commit, in which the real server sends notifications.
        self.commit_delay = 0.0
        threading.Thread(target=self._work, daemon=True).start()

    def queue(self, compose_id: str, title: str, description: str) -> None:
        with self._wake:
            data = {
                "composeId": compose_id,
                "titleLog": title,
                "descriptionLog": description,
                "type": "deploy",
                "applicationType": "compose",
                "server": False,
            }
            compose = self._store.composes[compose_id]
            environment = compose["environmentId"]
            project = self._store.environments[environment]["projectId"]
            href = f"/dashboard/project/{project}/environment/{environment}/services/compose/{compose_id}"
            self._jobs.append(
                {
                    "id": str(len(self._jobs)), "name": "deployments", "data": data, "state": "waiting",
                    "timestamp": time.time_ns() // 1_000_000, "processedOn": None,
                    "servicePath": {"href": href, "label": "Compose"},
                }
            )  # fmt: skip
            self._wake.notify()

    def jobs(self) -> list[Row]:
        with self._store.lock:
            return [dict(job) for job in self._jobs]

    def restart(self) -> None:
        """What a restart of the server does: waiting jobs are forgotten, running ones cancelled."""
        with self._store.lock:
            self._generation += 1
            self._jobs.clear()
            for row in self._store.deployments.values():
                if row["status"] == "running":
                    row["status"] = "cancelled"

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._jobs:
                    self._wake.wait()
                generation = self._generation
            time.sleep(self.queue_delay)
            with self._store.lock:
                if not self._jobs or generation != self._generation:
                    continue
                job = self._jobs[0]
                job["state"] = "active"
                job["processedOn"] = time.time_ns() // 1_000_000
                compose = self._store.composes.get(job["data"]["composeId"])
            if compose:
                self._deploy(compose, job["data"], generation)
            with self._store.lock:
                if job in self._jobs:
                    self._jobs.remove(job)

    def _deploy(self, compose: Row, job: Row, generation: int) -> None:
        with self._store.lock:
            row = self._store.start_deployment(compose, job["titleLog"], job["descriptionLog"])
            compose["composeStatus"] = "running"
        log_id = row["deploymentId"]
        self._store.logs[log_id] = "Initializing deployment\n"

        def log(text: str) -> None:
            self._store.logs[log_id] += text

        status = self._carry_out(compose, log)
        with self._store.lock:
            if generation == self._generation:
                row["status"] = status
                row["finishedAt"] = now()
                compose["composeStatus"] = status
        time.sleep(self.commit_delay)
        self._take_commit(compose, row)

    def _carry_out(self, compose: Row, log: Callable[[str], None]) -> str:
        code = self.code_directory(compose)
        try:
            self.fetch(compose, log)
            self._write_files(compose, code)
        except (ConversionError, dotenv.UndefinedReferenceError, OSError) as error:
            log(f"Error: ❌ {error}\n")
            return "error"
        argv = self.arguments(compose)
        source = compose["sourceType"]
        log(f"App Name: {compose['appName']}\nBuild Compose 🐳\nCommand: {' '.join(argv)}\n")
        log(f"Source Type: docker {source} ✅\n")
        if compose["isolatedDeployment"]:
            # There already from the second deployment on.
            self.engine.run(["docker", "network", "create", compose["appName"]], code, lambda _: None)
        if self.engine.run(argv, code, log) != 0:
            log("Error: ❌ Docker command failed\n\nError occurred ❌, check the logs for details.\n")
            return "error"
        self.engine.route()
        log("Docker Compose Deployed: ✅\n")
        return "done"

    def fetch(self, compose: Row, log: Callable[[str], None]) -> None:
        """The sources, in a directory that is deleted each time."""
        code = self.code_directory(compose)
        shutil.rmtree(code, ignore_errors=True)
        code.mkdir(parents=True)
        (code.parent / "files").mkdir(exist_ok=True)
        if compose["sourceType"] == "raw":
            (code / "docker-compose.yml").write_text(compose["composeFile"])
            log("File 'docker-compose.yml' created: ✅\n")
            return
        url = str(compose["customGitUrl"])
        log(f"Cloning Repo Custom {url} to {code}: ✅\n")
        branch = compose["customGitBranch"] or "main"
        argv = ["git", "clone", "--depth", "1", "--branch", branch, "--progress", url, str(code)]
        row = self._store.tables["ssh_keys"].get(compose["customGitSSHKeyId"] or "")
        key = row["privateKey"] if row else ""
        if row:
            row["lastUsedAt"] = now()
        said: list[str] = []

        def hear(text: str) -> None:
            said.append(text)
            log(text)

        if self.engine.run(argv, code.parent, hear) != 0:
            script = f'set -e;\necho "{key}" > /tmp/id_rsa\nchmod 600 /tmp/id_rsa\n{" ".join(argv)}\n'
            raise OSError(f"Command execution failed: Command failed: {script}{''.join(said)}")

    def _take_commit(self, compose: Row, row: Row) -> None:
        code = self.code_directory(compose)
        if compose["sourceType"] != "git" or not (code.exists() and any(code.iterdir())):
            return
        lines: list[str] = []
        argv = ["git", "log", "-1", "--pretty=format:%H%n%s"]
        self.engine.run(argv, code, lines.append)
        commit, _, message = "".join(lines).partition("\n")
        row["title"], row["description"] = message.strip(), f"Commit: {commit.strip()}"

    def _write_files(self, compose: Row, code: Path) -> None:
        store = self._store
        path = code / self.compose_path(compose)
        text = convert(path.read_text(), compose, store.domains_of(compose["composeId"]))
        path.write_text(text)
        for mount in store.tables["mounts"].values():
            if mount["composeId"] == compose["composeId"] and mount["type"] == "file":
                file = code.parent / "files" / mount["filePath"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(mount["content"] or "")
        environment = store.environments[compose["environmentId"]]
        project = store.projects[environment["projectId"]]
        app = compose["appName"]
        own = f"APP_NAME={app}\nCOMPOSE_PROJECT_NAME={app}\n{compose['env'] or ''}\nDOCKER_CONFIG=/root/.docker"
        env = dotenv.write(dotenv.resolve(own, project["env"], environment["env"]))
        if compose["createEnvFile"]:
            (path.parent / ".env").write_text(env)

    def code_directory(self, compose: Row) -> Path:
        return self._directory / compose["appName"] / "code"

    @staticmethod
    def compose_path(compose: Row) -> str:
        return "docker-compose.yml" if compose["sourceType"] == "raw" else compose["composePath"]

    def arguments(self, compose: Row) -> list[str]:
        if compose["command"]:
            return ["docker", *compose["command"].split()]
        project, path = compose["appName"], self.compose_path(compose)
        return ["docker", "compose", "-p", project, "-f", path, *["up", "-d", "--build", "--remove-orphans"]]

    def stop(self, compose: Row) -> None:
        self.engine.run(["docker", "compose", "-p", compose["appName"], "stop"], self._directory, lambda _: None)
        self.engine.route()
        compose["composeStatus"] = "idle"

    def delete(self, compose: Row, volumes: bool) -> None:
        argv = ["docker", "compose", "-p", compose["appName"], "down", *(["--volumes"] if volumes else [])]
        self.engine.run(argv, self._directory, lambda _: None)
        # The network of an isolated one stays, as with the real server.
        self.engine.route()
        shutil.rmtree(self._directory / compose["appName"], ignore_errors=True)
