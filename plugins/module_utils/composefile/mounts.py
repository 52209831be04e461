# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service of a project mounts: data, files of the release, or paths of the server."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .findings import Findings, correction
from .tables import CONFIG_FILE, CONFIG_TARGET, DATA_PLACES, SOCKETS

Mount = Mapping[str, Any]
_MARKERS = (".gitkeep", ".gitignore", ".keep", ".empty", ".placeholder", "README.md", ".DS_Store")
_TO_FILL_IN = re.compile(r"<[^/<>]+>")


@dataclass(frozen=True)
class Tree:
    """Where a project lies, and where its data will."""

    root: str
    """The checkout."""
    directory: str
    """The Compose file's own directory, within it."""
    data: str
    """The directory of the server in which data directories of the project lie."""
    contexts: frozenset[str] = frozenset()
    """What images are built from: mounted over itself, it is a developer's machine that is described."""
    copies: str = ""
    """Where this and other projects were copied to: what lies there, and not in it, was meant to lie beside it."""

    def within(self, path: str) -> bool:
        return path == self.root or path.startswith(f"{self.root}/")

    def data_path(self, source: str) -> str:
        """Where a directory of the project that holds data lies on the server."""
        return f"{self.data}/{os.path.relpath(source, self.root)}"


@dataclass
class Mounted:
    """A service's mounts in the description's form."""

    volumes: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    tmpfs: list[str] = field(default_factory=list)
    writable: list[str] = field(default_factory=list)
    """Sources of what it may write to and what outlives it."""


@dataclass(frozen=True)
class Reader:
    """Reads the mounts of one service."""

    service: str
    tree: Tree
    volumes: Mapping[str, Any]
    """The project's named volumes."""
    as_told: Mapping[str, str]
    """Corrections, by path in the container: data, file or server."""
    allowed: bool
    """Whether the engine's socket may be the app's."""
    findings: Findings

    def read(self, mounts: list[Mount]) -> Mounted:
        """All of them."""
        mounted = Mounted()
        for index, mount in enumerate(mounts):
            self._one(mounted, mount, f"services.{self.service}.volumes[{index}]")
        return mounted

    def _one(self, mounted: Mounted, mount: Mount, key: str) -> None:
        kind, target = mount["type"], mount["target"]
        if kind == "tmpfs":
            size = (mount.get("tmpfs") or {}).get("size")
            mode = (mount.get("tmpfs") or {}).get("mode")
            options = [f"size={size}"] if size else []
            options += [f"mode={mode:o}"] if mode else []
            mounted.tmpfs.append(f"{target}:{','.join(options)}" if options else target)
        elif kind == "volume":
            self._volume(mounted, mount, key)
        elif kind == "bind":
            self._bind(mounted, mount, key)
        else:
            self.findings.refuse(key, f"a mount of type {kind} is not supported", "a volume or a bind in its place")

    def _volume(self, mounted: Mounted, mount: Mount, key: str) -> None:
        options = mount.get("volume") or {}
        if not mount.get("source"):
            # One of the container's own: gone with it, as with `docker compose up` after a change.
            mounted.volumes.append({"source": "", "path": mount["target"]})
            return
        source = mount["source"]
        declared = self.volumes.get(source) or {}
        item: dict[str, Any] = {"source": source, "path": mount["target"], "name": declared.get("name") or source}
        if mount.get("read_only"):
            item["read_only"] = True
        else:
            mounted.writable.append(item["name"])
        if declared.get("external"):
            item["external"] = True
        if declared.get("driver") not in (None, "", "local"):
            item["driver"] = declared["driver"]
        if declared.get("driver_opts"):
            item["driver_opts"] = self._driver_opts(declared["driver_opts"], f"volumes.{source}.driver_opts")
        if options.get("nocopy"):
            item["nocopy"] = True
        if options.get("subpath"):
            item["subpath"] = options["subpath"]
        mounted.volumes.append(item)

    def _driver_opts(self, options: Mapping[str, Any], key: str) -> dict[str, str]:
        """A directory of the project as a volume's device is one of the server's, beside the other data."""
        device = str(options.get("device") or "")
        told = {str(k): str(v) for k, v in options.items()}
        if device.startswith("/") and self.tree.within(device):
            told["device"] = self.tree.data_path(device)
            self.findings.note(key, f"the directory {device} of the checkout becomes {told['device']} of the server")
        return told

    def _bind(self, mounted: Mounted, mount: Mount, key: str) -> None:
        source, target = os.path.normpath(mount["source"]), mount["target"]
        read_only = bool(mount.get("read_only"))
        if source in SOCKETS and not self.allowed:
            self.findings.decide(
                key,
                "the engine's socket makes the app root of the server",
                correction(self.service, "allow: [docker_socket]"),
            )
        told = self.as_told.get(target, "")
        if told == "none":
            self.findings.drop(self.service, f"volumes: {target}", "as told")
            return
        if not self.tree.within(source):
            self._outside(mounted, mount, source, key)
        elif told in ("data", "file") or not self._refused(source, target, key):
            place = told or self._place(source, target, read_only, key)
            if place == "file":
                item = {"path": target, "source": source}
                mounted.files.append({**item, "read_only": True} if read_only else item)
            elif place == "data":
                path = self.tree.data_path(source)
                item = {"source": path, "path": target, "backup": not read_only}
                mounted.volumes.append({**item, "read_only": True} if read_only else item)
                if not read_only:
                    mounted.writable.append(path)

    def _outside(self, mounted: Mounted, mount: Mount, source: str, key: str) -> None:
        """A path of the server itself."""
        above = self.tree.copies or os.path.dirname(self.tree.root)
        if source == above or source.startswith(f"{above}/"):
            self.findings.refuse(
                key,
                f"the path {os.path.relpath(source, self.tree.directory)} leads out of the project",
                "an absolute path of the server, or in stack_compose the directory or repository that holds it as well,"
                " and path: of the Compose files in it",
            )
            return
        if _TO_FILL_IN.search(source):
            self.findings.decide(key, f"the path {source} holds a placeholder", "the directory of the server")
        item: dict[str, Any] = {"source": source, "path": mount["target"], "backup": False}
        if mount.get("read_only"):
            item["read_only"] = True
        propagation = (mount.get("bind") or {}).get("propagation")
        if propagation:
            item["propagation"] = propagation
        mounted.volumes.append(item)
        if not mount.get("read_only") and source not in SOCKETS:
            mounted.writable.append(source)

    def _refused(self, source: str, target: str, key: str) -> bool:
        """The source tree over what was built from it: no image that was judged would be what runs."""
        context = source in self.tree.contexts and not CONFIG_TARGET.match(target)
        if source not in (self.tree.root, self.tree.directory) and not context:
            return False
        self.findings.refuse(
            key,
            f"the source tree is mounted over {target}, as on a developer's machine: what runs would not be the image",
            f"leave it out of the file for production, or {correction(self.service, f'mounts: {{{target}: none}}')}",
        )
        return True

    def _place(self, source: str, target: str, read_only: bool, key: str) -> str:
        path, name = Path(source), os.path.basename(source)
        fix = correction(self.service, f"mounts: {{{target}: data}}")
        if path.is_file():
            if not read_only and CONFIG_FILE.fullmatch(name) is None:
                self.findings.note(key, f"{self._shown(source)} is a file of the release; what is written is lost", fix)
            return "file"
        if path.is_dir():
            names = [p.name for p in path.iterdir()]
            if all(n in _MARKERS for n in names):
                return "data"
            if read_only or CONFIG_TARGET.match(target):
                return "file"
            if DATA_PLACES.fullmatch(name):
                self.findings.decide(
                    key,
                    f"{self._shown(source)} holds files of the project and can be written to: is it data of the server"
                    " (which begins empty), or are they files of the release (what is written is lost)",
                    correction(self.service, f"mounts: {{{target}: data}}") + " or file",
                )
                return "data"
            self.findings.note(
                key, f"{self._shown(source)} is read as files of the release; what is written there is lost", fix
            )
            return "file"
        looks_like_one = CONFIG_FILE.fullmatch(name) and not DATA_PLACES.fullmatch(name)
        if looks_like_one or (read_only and (CONFIG_FILE.fullmatch(os.path.basename(target)) or "." in name[1:])):
            self.findings.decide(
                key,
                f"{self._shown(source)} is not in the project; Docker would make an empty directory of it",
                f"the file, or {correction(self.service, f'mounts: {{{target}: none}}')}",
            )
            return ""
        if read_only:
            self.findings.note(key, f"{self._shown(source)} is not in the project: an empty directory of the server")
        return "data"

    def _shown(self, source: str) -> str:
        return f"./{os.path.relpath(source, self.tree.directory)}"
