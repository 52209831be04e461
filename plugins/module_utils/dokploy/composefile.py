# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a Compose file can run under Dokploy, and if not, which line stands in the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import UserError
from .interpolation import interpolate

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

if TYPE_CHECKING:
    from yaml.nodes import Node

# What Dokploy's own services occupy on the host.
TAKEN_PORTS = {80: "Dokploy's Traefik", 443: "Dokploy's Traefik", 3000: "Dokploy itself"}


@dataclass(frozen=True)
class Finding:
    """One reason why Dokploy cannot run the file."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True)
class ComposeFile:
    """What was read from a file.

    Attributes:
        services: Their names.
        findings: What Dokploy cannot run.
        modes: `network_mode` by service, where one is set.
    """

    services: tuple[str, ...]
    findings: tuple[Finding, ...] = field(default=())
    modes: Mapping[str, str] = field(default_factory=dict)


def read_compose_file(text: str, variables: Mapping[str, str] | None = None) -> ComposeFile:
    """The services of a file and everything in it that Dokploy cannot run.

    Args:
        text: The file.
        variables: What its references stand for.

    Raises:
        UserError: It is not a Compose file.
    """
    root = _parse(text)
    _fill_in(root, variables or {})
    top = {key: value for key, _line, value in _entries(root)}
    services = list(_entries(top.get("services")))
    if not services:
        raise UserError("compose_file has no services; is it a Compose file?")
    findings: list[Finding] = []
    for name, line, service in services:
        findings += _check_service(name, line, service)
    for section in ("configs", "secrets"):
        for name, _line, entry in _entries(top.get(section)):
            findings += _check_file_entry(section, name, entry)
    return ComposeFile(
        tuple(name for name, _, _ in services),
        tuple(sorted(findings, key=lambda f: f.line)),
        {name: mode for name, _, service in services if (mode := _network_mode(service))},
    )


def _parse(text: str) -> Node | None:
    if not HAS_YAML:
        raise UserError("the Python package PyYAML is missing where this module runs; install python3-yaml")
    try:
        node: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise UserError(f"compose_file is not YAML: {where}{getattr(error, 'problem', None) or 'unreadable'}")
    except RecursionError:
        raise UserError("compose_file is nested too deeply to be a Compose file")
    return node


def _fill_in(root: Node | None, variables: Mapping[str, str]) -> None:
    """Replace references in all values, each once, however often the file points at it; keys have none."""
    waiting: list[Node | None] = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif "$" in node.value:
            node.value = interpolate(node.value, variables)


def check_isolated(compose: ComposeFile) -> None:
    """Refuse a file whose services cannot be put on a network of their own.

    Raises:
        UserError: Compose takes either a network mode or networks.
    """
    for name, mode in compose.modes.items():
        raise UserError(
            f"service {name} has network_mode: {mode}, and cannot be put on a network of the service's own; "
            "set isolated: false, or remove network_mode"
        )


def check_compose_file(text: str, variables: Mapping[str, str] | None = None) -> ComposeFile:
    """Read a file and refuse it unless Dokploy can run it.

    Raises:
        UserError: Names each line that stands in the way.
    """
    compose = read_compose_file(text, variables)
    if compose.findings:
        raise UserError("compose_file cannot run under Dokploy: " + "; ".join(map(str, compose.findings)))
    return compose


def _entries(node: Node | None) -> Iterator[tuple[str, int, Node]]:
    """Key, line and value of a mapping, `<<` merged in; nothing for another kind of node."""
    found: dict[str, tuple[str, int, Node]] = {}
    # Each mapping once, in the order of precedence: one may merge itself, or another a thousand times.
    waiting: list[Node | None] = [node]
    seen: set[int] = set()
    while waiting:
        mapping = waiting.pop(0)
        if not isinstance(mapping, yaml.MappingNode) or id(mapping) in seen:
            continue
        seen.add(id(mapping))
        merged: list[Node | None] = []
        for key, value in mapping.value:
            if key.tag == "tag:yaml.org,2002:merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            else:
                found.setdefault(str(key.value), (str(key.value), key.start_mark.line + 1, value))
        waiting = merged + waiting
    yield from found.values()


def _scalar(node: Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _items(node: Node | None) -> list[Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _network_mode(service: Node) -> str:
    return _scalar({key: value for key, _, value in _entries(service)}.get("network_mode"))


def _check_service(name: str, line: int, service: Node) -> Iterator[Finding]:
    fields = {key: value for key, _, value in _entries(service)}
    for port in _items(fields.get("ports")):
        for number in sorted(published_ports(port) & set(TAKEN_PORTS)):
            yield Finding(
                _line(port),
                f"service {name} publishes port {number}, which {TAKEN_PORTS[number]} holds; remove it and use domains",
            )
    for volume in _items(fields.get("volumes")):
        source = _bind_source(volume)
        if source.startswith(".") and not source.startswith("../files"):
            yield Finding(
                _line(volume),
                f"service {name} mounts {source}, which Dokploy deletes at each deployment; "
                "use a named volume, ../files, or put it into the image",
            )
    if not any(key in fields for key in ("image", "build", "extends")):
        yield Finding(line, f"service {name} has neither image nor build")


def published_ports(node: Node) -> set[int]:
    """The host ports of one entry of `ports`, short or long form; empty where none is fixed."""
    fields = {key: value for key, _, value in _entries(node)}
    if fields:
        published = _scalar(fields.get("published"))
    else:
        parts = re.sub(r"/(tcp|udp)$", "", _scalar(node)).rsplit(":", 2)
        published = parts[-2] if len(parts) > 1 else ""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", published)
    if not match:
        return set()
    first, last = int(match.group(1)), int(match.group(2) or match.group(1))
    return set(range(first, min(last, 65535) + 1))


def _bind_source(node: Node) -> str:
    fields = {key: value for key, _, value in _entries(node)}
    if fields:
        return _scalar(fields.get("source")) if _scalar(fields.get("type")) == "bind" else ""
    text = _scalar(node)
    return text.split(":", 1)[0] if ":" in text else ""


def _check_file_entry(section: str, name: str, entry: Node) -> Iterator[Finding]:
    for key, line, value in _entries(entry):
        path = _scalar(value)
        if key == "file" and path and not path.startswith(("/", "../files")):
            yield Finding(
                line,
                f"{section}.{name} reads {path}, which Dokploy deletes at each deployment; "
                "use ../files, or environment: with a variable",
            )


def routed_hosts(text: str) -> dict[str, set[str]]:
    """Service name to the host names that its Traefik labels route, as in `compose.getConvertedCompose`."""
    top = {key: value for key, _line, value in _entries(_parse(text))}
    hosts: dict[str, set[str]] = {}
    for name, _line, service in _entries(top.get("services")):
        labels = {key: value for key, _, value in _entries(service)}.get("labels")
        lines = [_scalar(value) for _, _, value in _entries(labels)] + [_scalar(item) for item in _items(labels)]
        hosts[name] = {host for line in lines for host in re.findall(r"Host\(`([^`]+)`\)", line)}
    return hosts
