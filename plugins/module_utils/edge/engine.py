# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker engine, as far as the edge needs it. Commands are built by pure functions and run by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import write_whole
from .look import INSPECTED, Look, addresses_of, aliases_of, endpoints_of, look_at, workers
from .model import Edge
from .names import addresses_in
from .nginx_features import Features, features_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Resolve = Callable[[str, Iterable[str]], "dict[str, tuple[str, ...]]"]

_RELOAD_SECONDS = 10.0
# An old worker that is stuck, on a slow disk perhaps, lets go of nothing, but takes nothing new either.
_HANDOVER_SECONDS = 2.0
# Now and then an engine under load fails to start a command, without a fault of the command's.
_ASK_AGAIN = (0.2, 1.0)
_NGINX = ("nginx", "-e", "stderr")


def run(argv: Sequence[str], timeout: float = 120, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command; `told` is what it reads."""
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
            input=told,
        )
    except FileNotFoundError:
        raise UserError(f"{argv[0]} is not installed on this host; run the docker_host role first.")
    except subprocess.TimeoutExpired:
        raise UserError(f"{' '.join(argv[:3])} did not finish within {timeout:g} s.")


def absent(argv: Sequence[str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Stands in for `run` where there is no engine yet: nothing runs, and no image is there."""
    return subprocess.CompletedProcess(list(argv), int("inspect" in argv), "", "")


def container_name(edge: Edge) -> str:
    return f"{edge.project}-nginx"


def nginx_test_argv(generation: str) -> list[str]:
    """`nginx -t` inside a container that sees the configuration as the running one does."""
    return [*_NGINX, "-q", "-t", "-p", f"/etc/edge/{generation}/", "-c", "nginx.conf"]


def confinement(edge: Edge) -> list[str]:
    return [
        f"--user={edge.uid}:{edge.uid}",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ]


class EdgeEngine:
    """The host's engine and the edge's container in it."""

    def __init__(self, edge: Edge, root: Path, runner: Run = run, resolve: Resolve = addresses_in) -> None:
        self._edge, self._root, self._run, self._resolve = edge, root, runner, resolve
        self._build: dict[str, Any] = {}

    def _docker(self, *argv: str, timeout: float = 120) -> str:
        done = self._run(["docker", *argv], timeout=timeout)
        if done.returncode:
            raise UserError(f"docker {argv[0]} failed: {_last_line(done.stderr)}")
        return done.stdout.strip()

    def look(self, names: Iterable[str] = ()) -> Look:
        """What runs now.

        Args:
            names: The aliases that matter. On an overlay, where nobody lists who has one, the DNS is asked for them.

        Raises:
            UserError: The engine or its DNS does not answer.
        """
        if self._edge.overlay:
            seen = look_at(self._inspected([]), self._edge, container_name(self._edge), {})
            return seen._replace(addresses=self._resolve(seen.namespace, names) if seen.namespace else {})
        listed = endpoints_of(self._attached())
        # Inspecting each of a hundred containers takes longer than all the rest of a look.
        cache = self._root / "aliases.json"
        known = _remembered(cache, list)
        containers = self._inspected([there.container for key, there in listed.items() if key not in known])
        aliases = {key: known[key] for key in listed if key in known} | aliases_of(containers, self._edge.network)
        # In check mode on a virgin host there is no directory, and none is to be made.
        if aliases != known and self._root.is_dir():
            write_whole(cache, json.dumps(aliases))
        return look_at(containers, self._edge, container_name(self._edge), addresses_of(listed, aliases))

    def _attached(self) -> dict[str, dict[str, str]]:
        """Who is on the edge network, nobody where there is none yet."""
        done = self._run(["docker", "network", "inspect", "--format={{json .Containers}}", self._edge.network])
        _accept_absence(done, "docker network inspect")
        return json.loads(done.stdout.strip() or "{}") or {}

    def _inspected(self, ids: list[str]) -> list[dict[str, Any]]:
        """These containers and nginx's, as far as they are there."""
        name = container_name(self._edge)
        # A container may go meanwhile; the others are printed all the same.
        done = self._run(["docker", "inspect", "--type=container", f"--format={INSPECTED}", *ids, name])
        _accept_absence(done, "docker inspect")
        # Where it finds none at all, it prints an empty line.
        return [json.loads(line) for line in done.stdout.splitlines() if line]

    def features(self, running: str, fetch: bool = True) -> Features:
        """What the image's nginx can do; asked once per image.

        Args:
            running: The id of the image that nginx runs from, if it does.
            fetch: Pull an image that is not there; else it is taken for a current one.
        """
        cache = self._root / "nginx-build.json"
        noted = _remembered(cache, str)
        # Before the first install, there is no place to note it.
        stored = noted or self._build
        if running and stored.get("id") == running and "build" in stored:
            return features_of(stored["build"])
        image = self._edge.image
        known = self._run(["docker", "image", "inspect", "-f", "{{.Id}}", image])
        if known.returncode and not fetch:
            return Features(
                http2_directive=True, keepalive_min_timeout=True, hybrid_key_exchange=True, stream="built in"
            )
        if known.returncode:
            self._docker("pull", "-q", image, timeout=600)
            known = self._run(["docker", "image", "inspect", "-f", "{{.Id}}", image])
        if stored.get("id") != known.stdout.strip() or "build" not in stored:
            isolated = [*confinement(self._edge), "--network=none", "--entrypoint=nginx"]
            done = self._run(["docker", "run", "--rm", *isolated, image, "-V"])
            stored = {"id": known.stdout.strip(), "build": done.stderr}
        self._build = stored
        if stored != noted and self._root.is_dir():
            write_whole(cache, json.dumps(stored))
        return features_of(stored["build"])

    def test(self, generation: str, master: int) -> None:
        """Have nginx read the configuration.

        Args:
            generation: The configuration's name.
            master: The process id of the nginx that would serve it; 0 when none runs yet.

        Raises:
            UserError: nginx refuses it, or cannot be asked.
        """
        test = nginx_test_argv(generation)
        if master:
            argv = ["docker", "exec", container_name(self._edge), *test]
        else:
            mounts = [f"--volume={self._root}/conf:/etc/edge:ro"]
            mounts += ["--tmpfs=/tmp:mode=1777", "--tmpfs=/var/cache/edge:mode=1777"]
            isolated = [*confinement(self._edge), "--network=none", *mounts, f"--entrypoint={test[0]}"]
            argv = ["docker", "run", "--rm", *isolated, self._edge.image, *test[1:]]
        for pause in (*_ASK_AGAIN, None):
            done = self._run(argv)
            if not done.returncode:
                return
            if "[emerg]" in done.stderr:
                refused = f"nginx refuses the new configuration, the old one keeps serving: {_emergency(done.stderr)}"
                raise UserError(refused)
            if pause:
                time.sleep(pause)
        said = _last_line(done.stderr or done.stdout)
        raise UserError(f"nginx cannot be asked about the new configuration, the old one keeps serving: {said}")

    def reload(self, master: int) -> None:
        """Have nginx take the current configuration up, and wait until new workers serve.

        Args:
            master: Its process id; with 0 there is nothing to do.

        Raises:
            UserError: No new worker appeared.
        """
        if not master:
            return
        before = workers(master)
        try:
            os.kill(master, signal.SIGHUP)
        except ProcessLookupError:
            raise UserError("nginx has just ended; the watcher starts it again (journalctl -u sluice-edge).")
        if _await(lambda: bool(workers(master) - before), _RELOAD_SECONDS):
            _await(lambda: not workers(master) & before, _HANDOVER_SECONDS)
            return
        logs = self._run(["docker", "logs", "--tail=5", container_name(self._edge)])
        raise UserError(
            f"nginx did not take the new configuration up within {_RELOAD_SECONDS:g} s, "
            f"the old one keeps serving: {_emergency(logs.stderr)}"
        )


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def _remembered(cache: Path, kind: type) -> dict[str, Any]:
    """What is noted there, as far as its values are of the kind; a spoilt note is asked for again."""
    try:
        stored = json.loads(cache.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {key: value for key, value in stored.items() if isinstance(value, kind)} if isinstance(stored, dict) else {}


def _accept_absence(done: subprocess.CompletedProcess[str], what: str) -> None:
    """
    Raises:
        UserError: It failed for another reason than that something is not there.
    """
    said = done.stderr.lower()
    # A warning of a command that did what it was asked for is no failure.
    if done.returncode and said and "no such" not in said and "not found" not in said:
        raise UserError(f"{what} failed: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    rows = [row for row in text.strip().splitlines() if row.strip()]
    return rows[-1] if rows else "no message"


def _emergency(stderr: str) -> str:
    """nginx's own words for what is wrong."""
    rows = [row.split("] ", 1)[1] for row in stderr.splitlines() if "[emerg]" in row and "] " in row]
    return rows[0].split(": ", 1)[-1] if rows else _last_line(stderr)
