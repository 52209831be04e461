# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups in a restic repository: databases stream into it, volumes are read where they lie, the manifest comes last.

A backup is a handful of snapshots with one tag. It counts once its manifest is there: what was cut off has none.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from ..errors import StepError
from .restic import Restic
from .streams import Compressed, Digest

MANIFEST = "manifest.json"
_FORM = "%Y%m%dT%H%M%SZ"
# What a backup that was cut off left may still be of one that runs.
_LEFT_OVER = 2 * 86400
_VANISHED = ("no such file or directory", "does not exist, skipping")


class Remote:
    """Where one backup of a stack goes in a repository."""

    def __init__(self, restic: Restic, stack: str, name: str, exclude: Sequence[str] = ()) -> None:
        self._restic, self._stack, self._name, self._exclude = restic, stack, name, exclude
        at = time.strptime(name[:16], _FORM)
        self._time = time.strftime("%Y-%m-%d %H:%M:%S", at)
        self._made: list[str] = []
        self.files: dict[str, dict[str, Any]] = {}

    def begin(self, name: str) -> _Stream:
        return _Stream(self, self._restic, name, self.arguments(["--stdin", "--stdin-filename", name]))

    def directory(self, name: str, source: Path, exclude: Sequence[str], live: bool) -> None:
        patterns = [*self._exclude, *(str(source / path) for path in map(_literal, exclude))]
        arguments = self.arguments([*(f"--exclude={pattern}" for pattern in patterns), "."])
        told = self._restic.ask(*arguments, cwd=source, accept=_vanished if live else None)
        status = source.stat()
        owner = {"mode": status.st_mode & 0o7777, "uid": status.st_uid, "gid": status.st_gid}
        summary = summary_of(told)
        self.note(name, {"snapshot": summary["snapshot_id"], "bytes": summary["total_bytes_processed"], **owner})

    def finish(self, manifest: dict[str, Any]) -> None:
        """From here on the backup counts."""
        files = dict(self.files)
        writer = _Stream(
            self, self._restic, MANIFEST, self.arguments(["--stdin", "--stdin-filename", MANIFEST], MANIFEST)
        )
        try:
            writer.write(json.dumps({**manifest, "files": files}, indent=1).encode())
            writer.commit()
        except BaseException:
            writer.abort()
            raise
        self._made = []

    def abort(self) -> None:
        """What a backup that failed has left goes, where it may."""
        if self._made and not self._restic.repository.append_only:
            process = self._restic.start(["forget", *self._made], stderr=subprocess.DEVNULL)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._made = []

    def arguments(self, rest: Sequence[str], *tags: str) -> list[str]:
        named = ",".join(("sluice", f"stack={self._stack}", f"backup={self._name}", *tags))
        return ["backup", "--json", "--quiet", "--time", self._time, "--tag", named, *rest]

    def note(self, name: str, told: dict[str, Any]) -> None:
        self._made.append(told["snapshot"])
        self.files[name] = told


class _Stream:
    """A stream on its way into a snapshot; there is none before it is committed."""

    def __init__(self, place: Remote, restic: Restic, name: str, arguments: Sequence[str]) -> None:
        self._place, self._restic, self._name, self._digest = place, restic, name, Digest()
        # Open for as long as the process runs.
        self._out, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._process = restic.start(arguments, stdin=subprocess.PIPE, stdout=self._out, stderr=self._errors)
        self._in = cast(IO[bytes], self._process.stdin)

    def write(self, block: bytes) -> None:
        self._digest.feed(block)
        try:
            self._in.write(block)
        except BrokenPipeError:
            raise self._trouble()

    def commit(self) -> dict[str, Any]:
        try:
            self._in.close()
        except BrokenPipeError:
            raise self._trouble()
        if self._process.wait():
            raise self._trouble()
        self._out.seek(0)
        summary = summary_of(self._out.read().decode(errors="replace"))
        told = {"snapshot": summary["snapshot_id"], **self._digest.result()}
        self._place.note(self._name, told)
        return told

    def abort(self) -> None:
        # Killed before its input ends: it must not take what has come for all.
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _trouble(self) -> StepError:
        status = self._process.wait()
        self._errors.seek(0)
        return self._restic.trouble(status, self._errors.read().decode(errors="replace"))


@dataclass(frozen=True)
class Stored:
    """A whole backup in the repository."""

    name: str
    host: str
    snapshot: str
    at: str


def stored(restic: Restic, stack: str) -> list[Stored]:
    """The whole backups of a stack, oldest first.

    Raises:
        StepError: There is none; names the stacks whose backups are there.
    """
    found = restic.snapshots(f"stack={stack}", MANIFEST)
    if not found:
        others = sorted({_tag(s, "stack") for s in restic.snapshots("sluice") if _tag(s, "stack")})
        raise StepError(
            f"the repository holds no backup of {stack}" + (f", but of {', '.join(others)}" if others else ""),
            advice="See that compose_stack_backup_repository and stack_name are those of the backup.",
        )
    return [Stored(_tag(s, "backup"), s["hostname"], s["id"], s["time"]) for s in found]


def manifest_in(restic: Restic, backup: Stored) -> dict[str, Any]:
    with restic.reading(backup.snapshot, MANIFEST) as stream:
        text = stream.read()
    try:
        manifest = json.loads(text)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or not {"at", "files"} <= manifest.keys():
        raise StepError(f"the manifest of {backup.name} in the repository is damaged")
    return manifest


def fetch_stream(restic: Restic, name: str, told: dict[str, Any], target: Path) -> None:
    """A dump to a compressed file.

    Raises:
        StepError: It is not what was written.
    """
    digest, writer = Digest(), Compressed(target)
    try:
        with restic.reading(told["snapshot"], name) as stream:
            while block := stream.read(1 << 20):
                digest.feed(block)
                writer.write(block)
        if digest.result() != {"bytes": told["bytes"], "sha256": told["sha256"]}:
            raise StepError(f"{name} in the repository is not what was written")
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def fetch_directory(restic: Restic, told: dict[str, Any], target: Path) -> None:
    """A directory's content into one that is there already."""
    restic.ask("restore", told["snapshot"], "--target", str(target))


def forget(restic: Restic, stack: str, now: Callable[[], float] = time.time) -> list[str]:
    """Backups that the policy does not keep go, each with all of its snapshots; their names."""
    if restic.repository.append_only or not restic.repository.keep:
        return []
    policy = [f"--keep-{word}={number}" for word, number in restic.repository.keep.items()]
    wish = ["--json", "--dry-run", "--group-by", "", "--tag", f"stack={stack},{MANIFEST}", *policy]
    groups = json.loads(restic.ask("forget", *wish) or "[]") or []
    gone = {_tag(s, "backup") for group in groups for s in group["remove"] or []}
    everything = restic.snapshots(f"stack={stack}")
    known = {_tag(s, "backup") for s in everything if MANIFEST in s["tags"]}
    oldest = time.strftime(_FORM, time.gmtime(now() - _LEFT_OVER))
    left_over = {name for s in everything if (name := _tag(s, "backup")) not in known and name < oldest}
    if going := [s["id"] for s in everything if _tag(s, "backup") in gone | left_over]:
        restic.ask("forget", *going)
        # A store that refuses to remove is no failure to restic.
        if {s["id"] for s in restic.snapshots(f"stack={stack}")} & set(going):
            raise StepError(
                "the repository does not let old backups be removed",
                advice="If it is append-only, set compose_stack_backup_append_only, and forget from elsewhere.",
            )
    return sorted(gone | left_over)


def summary_of(told: str) -> dict[str, Any]:
    """restic's own account of a backup."""
    for line in reversed(told.splitlines()):
        if '"summary"' in line:
            found: dict[str, Any] = json.loads(line)
            return found
    raise StepError("restic did not say what it has kept")


def _tag(snapshot: dict[str, Any], key: str) -> str:
    return next((t.partition("=")[2] for t in snapshot.get("tags") or [] if t.startswith(f"{key}=")), "")


def _vanished(status: int, said: str) -> bool:
    """Files that a running app removed meanwhile are no failure; restic's status 3 means that it left some out."""
    complaints = [line for line in said.splitlines() if line.strip() and "at least one source file" not in line]
    return status == 3 and bool(complaints) and all(any(w in line for w in _VANISHED) for line in complaints)


def _literal(path: str) -> str:
    return "".join(f"\\{c}" if c in "\\*?[" else c for c in path)
