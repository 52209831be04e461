# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends a directory of the controller to where its Compose files are read; what is there already is not sent again."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.errors import UserError

_LARGEST = 300_000_000
_LEFT_OUT = {".git", "node_modules"}


class ActionModule(ActionBase):
    """The action behind M(sluice.deploy.compose_project)."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        project = args.get("project")
        directory = project.get("directory") if isinstance(project, dict) else None
        if not directory or project.get("git"):
            return {**result, **self._execute_module(module_args=args, task_vars=task_vars)}
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            archive = Path(scratch) / "project.tar.gz"
            try:
                args["digest"] = pack(self._place(str(directory), task_vars or {}), archive)
            except UserError as error:
                # As the module does: a failure under no_log would say nothing.
                return {**result, "changed": False, "trouble": str(error), "bare": False, "wants": []}
            answer = self._execute_module(module_args=args, task_vars=task_vars)
            if answer.get("wants_archive"):
                target = self._connection._shell.join_path(self._connection._shell.tmpdir, archive.name)
                self._transfer_file(str(archive), target)
                self._fixup_perms2((self._connection._shell.tmpdir, target))
                answer = self._execute_module(module_args={**args, "archive": target}, task_vars=task_vars)
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return {**result, **answer}

    def _place(self, directory: str, task_vars: dict[str, Any]) -> Path:
        """As it is written, or beside the inventory."""
        beside = Path(task_vars.get("inventory_dir") or self._loader.get_basedir())
        place = (beside / Path(directory).expanduser()).resolve()
        if not place.is_dir():
            raise UserError(f"stack_compose.directory: {place} is no directory of the controller")
        return place


def pack(directory: Path, archive: Path) -> str:
    """The directory as an archive that is the same for the same files.

    Returns:
        The archive's digest.

    Raises:
        UserError: It is larger than what is worth sending.
    """
    total = 0
    # Times and owners are left out: a fresh clone of the same files is no other project.
    with (
        archive.open("wb") as stream,
        gzip.GzipFile("", "wb", 6, stream, 0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in _files(directory):
            info = tar.gettarinfo(str(path), str(path.relative_to(directory)))
            if not (info.isreg() or info.isdir() or info.issym()):
                continue
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            total += info.size
            if total > _LARGEST:
                raise UserError(
                    f"stack_compose.directory: {directory} holds more than {_LARGEST // 1_000_000} MB;"
                    " keep data out of it, or let the server fetch it with git"
                )
            if info.isreg():
                with path.open("rb") as content:
                    tar.addfile(info, content)
            else:
                tar.addfile(info)
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def _files(directory: Path) -> list[Path]:
    found = []
    for root, names, files in os.walk(directory):
        names[:] = sorted(n for n in names if n not in _LEFT_OUT)
        found += [Path(root) / n for n in (*names, *sorted(files))]
    return found
