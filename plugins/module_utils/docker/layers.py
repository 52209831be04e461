# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which layers an engine has, and so does not need to be sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import DockerError
from .api import DockerApi
from .store import is_containerd

ALIKE = ("Id", "Created", "Architecture", "RootFS")


def chain(layers: Sequence[str]) -> Iterator[str]:
    """The chain ids of an image's layers, lowest first: a layer is kept under what it lies on.

    Source: image specification of the Open Container Initiative, "Layer ChainID".
    """
    so_far = ""
    for layer in layers:
        so_far = "sha256:" + hashlib.sha256(f"{so_far} {layer}".encode()).hexdigest() if so_far else layer
        yield so_far


class Holdings:
    """What the engine of a host holds."""

    def __init__(self, host: str) -> None:
        self._api = DockerApi(host)
        self.architecture = str(self._api.get("/version").get("Arch", ""))
        self._chains: set[str] = set()
        self.takes_parts = not is_containerd(self._api.get("/info"))
        if self.takes_parts:
            for image in self._api.get("/images/json"):
                self._chains.update(chain((self._inspect(image["Id"]) or {}).get("RootFS", {}).get("Layers") or []))

    def known(self, layers: Sequence[str]) -> int:
        """How many of an image's lowest layers need not be sent; containerd's store takes images whole alone."""
        return sum(1 for link in chain(layers) if link in self._chains)

    def holds(self, wanted: Mapping[str, Any]) -> bool:
        """Whether the reference names the very image.

        Args:
            wanted: `reference`, and of what `docker image inspect` says what is in ALIKE. Stores of different kinds
                give one image different ids, so that it is known by its layers and the moment it was made as well.
        """
        found = self._inspect(wanted["reference"])
        if not found:
            return False
        return found["Id"] == wanted["Id"] or all(found.get(k) == wanted.get(k) for k in ALIKE[1:])

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(self._api.get("/images/{}/json", name))
        except DockerError:
            return None
