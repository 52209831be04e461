# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Image references taken apart as Docker does it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UserError

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?", re.ASCII)
_PATH = re.compile(
    r"(?P<repository>{0}(?:/{0})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?".format(
        r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    ),
    re.ASCII,
)
_HUB, _HUB_ADDRESS = "docker.io", "registry-1.docker.io"


@dataclass(frozen=True)
class Reference:
    """`registry/repository:tag` or `registry/repository@digest`, complete."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def address(self) -> str:
        """Host and port that serve the registry."""
        return _HUB_ADDRESS if self.registry == _HUB else self.registry

    @property
    def version(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag

    @property
    def short_name(self) -> str:
        return self.repository.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


def registry_name(host: str) -> str:
    """A registry's name; Docker Hub has several, of which docker.io is returned."""
    host = host.lower()
    return _HUB if host in ("index.docker.io", _HUB_ADDRESS) else host


def parse(text: str) -> Reference:
    """Read a reference; what it leaves out is docker.io, library and latest.

    Raises:
        UserError: It is not one.
    """
    first, slash, rest = text.partition("/")
    registry, path = _HUB, text
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    match = _PATH.fullmatch(path)
    if match is None or not _HOST.fullmatch(registry):
        raise UserError(f"images: {text!r} is not an image reference such as registry.example.com/app:1.2")
    registry = registry_name(registry)
    repository = match["repository"]
    if registry == _HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(registry, repository, match["tag"] or "latest", match["digest"] or "")
