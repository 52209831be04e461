# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service finds mounted, and which ports of the server lead to it."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, cast

from ..errors import UserError
from ..hostname import is_address
from .fields import Fields
from .parse_env import parse_variables
from .parts import File, Port, Volume

_SOURCE = r"/[^:]*|[A-Za-z0-9][A-Za-z0-9_.-]*"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_PROPAGATION = ("", "rprivate", "private", "rshared", "shared", "rslave", "slave")


def parse_volumes(fields: Fields) -> tuple[Volume, ...]:
    """The volumes of a service, and the paths of the server that it sees."""
    entries = enumerate(fields.items("volumes"))
    return tuple(_volume(entry, f"{fields.path('volumes')}[{index}]") for index, entry in entries)


def _volume(entry: Any, where: str) -> Volume:
    value = entry
    if isinstance(entry, str):
        parts = entry.split(":")
        if len(parts) == 1 and entry.startswith("/"):
            return Volume("", entry, backup=False)
        if len(parts) not in (2, 3) or parts[2:] not in ([], ["ro"], ["rw"]):
            raise UserError(f"{where}: {entry!r} is not name:/path or name:/path:ro.")
        value = {"source": parts[0], "path": parts[1], "read_only": parts[2:] == ["ro"]}
    known = ("source", "path", "read_only", "backup", "uid", "name", "external", "driver", "driver_opts")
    item = Fields(value, where, (*known, "nocopy", "propagation", "subpath"))
    item.need("path", "where it appears in the container")
    if item.raw("source") == "":
        return Volume("", item.text("path", "", r"/[^:]*", "an absolute path"), backup=False)
    item.need("source", "a volume's name or an absolute path of the server")
    source = item.text("source", "", _SOURCE, "a volume's name or an absolute path")
    volume = Volume(
        source=source,
        path=item.text("path", "", r"/[^:]*", "an absolute path"),
        read_only=item.flag("read_only"),
        backup=item.flag("backup", not source.startswith("/")),
        uid=item.integer("uid", None, 0, 2**31),
        name=item.text("name", "", _NAME, "a volume's name"),
        external=item.flag("external"),
        driver=item.text("driver", "", r"[A-Za-z0-9][A-Za-z0-9_./:-]*", "the name of a volume driver"),
        driver_opts=parse_variables(item, "driver_opts"),
        nocopy=item.flag("nocopy"),
        propagation=item.choice("propagation", "", _PROPAGATION),
        subpath=item.text("subpath", "", r"(?!/)(?!.*\.\.)[^:]+", "a path within the volume"),
    )
    if not volume.named and (volume.name or volume.external or volume.driver or volume.driver_opts):
        raise UserError(f"{where}: name, external, driver and driver_opts are for a named volume, {source} is a path.")
    return volume


def parse_files(fields: Fields) -> tuple[File, ...]:
    """The files that travel with the release."""
    entries = enumerate(fields.items("files"))
    return tuple(_file(entry, f"{fields.path('files')}[{index}]") for index, entry in entries)


def _file(entry: Any, where: str) -> File:
    item = Fields(entry, where, ("path", "source", "content", "mode", "uid", "read_only"))
    item.need("path", "where it appears in the container")
    source = item.text("source", "", "/.+", "an absolute path on the server")
    if bool(source) == ("content" in item):
        raise UserError(f"{where} needs one of source (a path on the server) and content (the text itself).")
    return File(
        path=item.text("path", "", r"/[^:]*", "an absolute path"),
        source=source,
        content=item.text("content"),
        mode=item.text("mode", "0644", "0?[0-7]{3}", "a mode such as 0644, in quotes"),
        uid=item.integer("uid", None, 0, 2**31),
        read_only=item.flag("read_only"),
    )


def parse_publish(fields: Fields) -> tuple[Port, ...]:
    """The ports of the server that lead to a service."""
    read = [partial(_port, p, f"{fields.path('publish')}[{i}]") for i, p in enumerate(fields.items("publish"))]
    return tuple(port() for port in read)


def _port(entry: Any, where: str) -> Port:
    item = Fields(entry, where, ("port", "published", "protocol", "address"))
    item.need("port", "the port of the container")
    port = item.integer("port", None, 1, 65535) or 0
    address = item.text("address")
    if address and not is_address(address):
        raise UserError(f"{item.path('address')}: {address!r} is not an address of this server, such as 127.0.0.1.")
    return Port(
        port=port,
        published=item.integer("published", port, 1, 65535) or port,
        protocol=cast(Literal["tcp", "udp"], item.choice("protocol", "tcp", ("tcp", "udp"))),
        address=address,
    )
