# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge's directory: one generation of configuration, keys and state is current, and swapped as a whole.

conf/<digest>/ is never changed once written; conf/current is a symbolic link to one of them. Key pairs lie in
the generation too, so that a certificate, its key and the configuration that names them change in one step.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import UserError
from .model import State, state_from_json

ROOT = Path("/etc/sluice/edge")
_KEPT = 5
_LOCK_SECONDS = 60.0

Files = Mapping[str, bytes]


class Store:
    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.conf = root / "conf"

    @contextlib.contextmanager
    def lock(self, name: str = "lock", wait: float = _LOCK_SECONDS) -> Iterator[None]:
        """Hold the edge alone; the kernel lets go of it when the process dies.

        Raises:
            UserError: Another process held it all the time.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
        with (self.root / name).open("w") as handle:
            deadline = time.monotonic() + wait
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise UserError(f"another process has held {self.root / name} for {wait:g} s.")
                    time.sleep(0.05)
            yield

    def current(self) -> str:
        """The current generation's name; empty before the first."""
        try:
            return str((self.conf / "current").readlink())
        except FileNotFoundError:
            return ""

    def state(self) -> State | None:
        path = self.conf / "current" / "state.json"
        return state_from_json(json.loads(path.read_text())) if path.exists() else None

    def files(self) -> dict[str, bytes]:
        """The current generation's files."""
        top = self.conf / (self.current() or "none")
        return {str(p.relative_to(top)): p.read_bytes() for p in sorted(top.rglob("*")) if p.is_file()}

    def write(self, files: Files, uid: int) -> str:
        """Write a generation beside the current one."""
        name = digest(files)
        target = self.conf / name
        if target.exists():
            return name
        self.conf.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.conf))
        try:
            for path, content in files.items():
                _write(draft / path, content)
            _hand_over(draft, uid)
            draft.rename(target)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return name

    def make_current(self, name: str) -> None:
        link = self.conf / ".current"
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        link.replace(self.conf / "current")

    def discard(self, name: str) -> None:
        if name and name != self.current():
            shutil.rmtree(self.conf / name, ignore_errors=True)

    def prune(self) -> None:
        """Keep the last few generations, to look at; the current one among them."""
        drafts_and_old = [p for p in self.conf.iterdir() if p.is_dir() and not p.is_symlink()]
        drafts_and_old.sort(key=lambda p: p.stat().st_mtime, reverse=True)
        for path in drafts_and_old[_KEPT:]:
            self.discard(path.name)


def digest(files: Files) -> str:
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
    return total.hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o400, exist_ok=False)
    path.write_bytes(content)


def _hand_over(top: Path, uid: int) -> None:
    """To nginx's user, who may read it and nobody else may; the state is not for nginx."""
    for path in [top, *top.rglob("*")]:
        if path.name != "state.json":
            os.chown(path, uid, uid)
        if path.is_dir():
            path.chmod(0o500)
