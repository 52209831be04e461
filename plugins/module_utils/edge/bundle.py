# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge's commands as one executable file for the host, made from these very modules."""

from __future__ import annotations

import importlib.util
import io
import zipfile

# Ansible ships to the host what a module imports: the commands must be among it.
from . import cli

_MODULES = (
    "errors", "files", "lock", "markup", "edge", "edge.access", "edge.acme", "edge.apply", "edge.attempts",
    "edge.certificates", "edge.cli", "edge.csp", "edge.engine", "edge.fetch", "edge.headers", "edge.look", "edge.model",
    "edge.nginx_features", "edge.preview", "edge.proxy", "edge.render", "edge.render_ports", "edge.render_site",
    "edge.renewal", "edge.site", "edge.store", "edge.switch", "edge.text", "edge.upstreams", "edge.violations",
    "edge.watch", "notices", "notices.tell",
)  # fmt: skip
_START = "import sys\nfrom sluice.edge.cli import main\nsys.exit(main())\n"
# Always the same bytes for the same sources.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def bundle() -> bytes:
    """A Python zip application that needs nothing but the distribution's python3."""
    package = cli.__name__.rpartition(".edge.")[0]
    content = io.BytesIO(b"")
    content.write(b"#!/usr/bin/python3\n")
    with zipfile.ZipFile(content, "a") as archive:
        _add(archive, "__main__.py", _START)
        _add(archive, "sluice/__init__.py", "")
        for name in _MODULES:
            path = name.replace(".", "/") + ("/__init__.py" if name in ("edge", "notices") else ".py")
            _add(archive, f"sluice/{path}", _source(f"{package}.{name}"))
    return content.getvalue()


def _add(archive: zipfile.ZipFile, path: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(path, _EPOCH), text)


def _source(module: str) -> str:
    # Ansible hands a module these sources in a zip file, so the loader is asked and not the disk.
    spec = importlib.util.find_spec(module)
    source = getattr(spec and spec.loader, "get_source", lambda name: None)(module)
    if source is None:
        raise RuntimeError(f"no source of {module}")
    # Ansible's own loader answers with bytes.
    return source.decode() if isinstance(source, bytes) else str(source)
