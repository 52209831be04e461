# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge's directory: one generation of configuration, keys and state is current, and swapped as a whole.

conf/<digest>/ is never changed once written; conf/current is a symbolic link to one of them. Key pairs lie in
the generation too, so that a certificate, its key and the configuration that names them change in one step.
A generation's name is the digest of its files: one that a power failure or a hand has spoilt is told by it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..files import read_tree, sync_directory, write_tree, write_whole
from ..lock import locked
from .model import State, state_from_json

ROOT = Path("/etc/sluice/edge")
_KEPT = 5
_SERVED = "served"
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
        with locked(self.root / name, "a change of the edge", wait):
            yield

    def current(self) -> str:
        """The current generation's name; empty before the first."""
        try:
            return str((self.conf / "current").readlink())
        except FileNotFoundError:
            return ""

    def state(self) -> State | None:
        """What the edge is; `None` where nothing intact says it."""
        return state_in(self.files())

    def files(self) -> dict[str, bytes]:
        """The current generation's files; where it is spoilt, those of the newest intact one; empty without any."""
        current = self.current()
        return next((f for name in (current, *self._others(current)) if (f := self._intact(name))), {})

    def _others(self, current: str) -> Iterator[str]:
        """Looked for only when the current one is spoilt."""
        if current:
            yield from (path.name for path in self._generations())

    def _generations(self) -> list[Path]:
        """Generations and drafts, newest first."""
        found = [p for p in self.conf.iterdir() if p.is_dir() and not p.is_symlink()]
        return sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)

    def _intact(self, name: str) -> dict[str, bytes]:
        """A generation's files if they are what was written; else none."""
        top = self.conf / (name or "none")
        files = read_tree(top)
        return files if files and digest(files) == name else {}

    def served(self) -> str:
        """The generation that nginx has taken up, or will when it starts; empty where that is not certain."""
        try:
            return (self.root / _SERVED).read_text()
        except FileNotFoundError:
            return ""

    def note_served(self, name: str) -> None:
        """Empty before anything changes, so that who is killed halfway leaves no wrong word behind."""
        write_whole(self.root / _SERVED, name)

    def write(self, files: Files, uid: int) -> str:
        """Write a generation beside the current one."""
        name = digest(files)
        target = self.conf / name
        if self._intact(name):
            return name
        self.conf.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.conf))
        try:
            write_tree(draft, files, 0o400)
            _hand_over(draft, uid)
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
            sync_directory(self.conf)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return name

    def make_current(self, name: str) -> None:
        link = self.conf / ".current"
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        link.replace(self.conf / "current")
        sync_directory(self.conf)

    def discard(self, name: str) -> None:
        if name and name != self.current():
            shutil.rmtree(self.conf / name, ignore_errors=True)

    def prune(self) -> None:
        """Keep the last few generations, to look at; the current one among them."""
        for path in self._generations()[_KEPT:]:
            self.discard(path.name)


def state_in(files: Files) -> State | None:
    return state_from_json(json.loads(files["state.json"])) if files else None


def digest(files: Files) -> str:
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
    return total.hexdigest()[:16]


def _hand_over(top: Path, uid: int) -> None:
    """To nginx's user, who may read it and nobody else may; the state is not for nginx."""
    for directory, _, files in os.walk(top):
        for name in files:
            if name != "state.json":
                os.chown(f"{directory}/{name}", uid, uid)
        os.chown(directory, uid, uid)
        os.chmod(directory, 0o500)
        sync_directory(Path(directory))
