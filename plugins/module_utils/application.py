# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands for a server: one executable file, made from the very modules that a command is.

They are compiled as well, by the Python that makes the file; another one falls back on the sources.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import marshal
import zipfile
from collections.abc import Iterator
from pathlib import Path

_ROOT = __name__.rpartition(".")[0]
# Always the same bytes for the same sources.
_EPOCH = (1980, 1, 1, 0, 0, 0)
# PEP 552: named after no source that would have to be looked at.
_UNCHECKED = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
_START = b"#!/usr/bin/python3 -IS\n"


def application(command: str, present: Path | None = None) -> bytes:
    """A Python zip application that needs nothing but the distribution's python3.

    Args:
        command: The module whose `main` is started, such as `release.cli`; what it imports comes along.
        present: Where it may lie already; one of the same sources is not made again.
    """
    if present and _is_current(there := _read(present), command):
        return there
    content = io.BytesIO(b"")
    content.write(_START)
    with zipfile.ZipFile(content, "a") as archive:
        _add(archive, "__main__.py", _main_of(command))
        _add(archive, "sluice/__init__.py", "")
        for name, (text, package) in sorted(_with_imports(f"{_ROOT}.{command}").items()):
            path = name.removeprefix(f"{_ROOT}.").replace(".", "/")
            _add(archive, f"sluice/{path}/__init__.py" if package else f"sluice/{path}.py", text)
    return content.getvalue()


def _main_of(command: str) -> str:
    return f"import sys\nfrom sluice.{command} import main\nsys.exit(main())\n"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _is_current(content: bytes, command: str) -> bool:
    """Whether the sources in an application are those of now, which is told without looking for what they import."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            held = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, EOFError):
        return False
    sources = {name: text.decode() for name, text in held.items() if name.endswith(".py")}
    compiled = all(held.get(f"{name}c", b"").startswith(_UNCHECKED) for name in sources)
    started = sources.pop("__main__.py", "") == _main_of(command) and sources.pop("sluice/__init__.py", None) == ""
    return content.startswith(_START) and compiled and started and all(map(_is_source, sources, sources.values()))


def _is_source(path: str, text: str) -> bool:
    name = path.removesuffix(".py").removesuffix("/__init__").removeprefix("sluice/").replace("/", ".")
    told = _source(f"{_ROOT}.{name}")
    return told is not None and told[0] == text


def _with_imports(name: str) -> dict[str, tuple[str, bool]]:
    """By name, the sources of a module and of all that it imports from here, and whether each is a package."""
    found: dict[str, tuple[str, bool]] = {}
    wanted = [name]
    while wanted:
        module = wanted.pop()
        if module in found or not module.startswith(f"{_ROOT}."):
            continue
        told = _source(module)
        if told is None:
            continue
        found[module] = told
        wanted.append(module.rpartition(".")[0])
        package = module if told[1] else module.rpartition(".")[0]
        for node in _statements(ast.parse(told[0])):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], node.module or ""])
                wanted += [base.strip("."), *(f"{base.strip('.')}.{alias.name}" for alias in node.names)]
    return found


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """All of them, however deep; what they are made of holds no import."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, ())
            waiting += inner if isinstance(inner, list) else ()


def _add(archive: zipfile.ZipFile, path: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(path, _EPOCH), text)
    compiled = marshal.dumps(compile(text, path, "exec", dont_inherit=True))
    archive.writestr(zipfile.ZipInfo(f"{path}c", _EPOCH), _UNCHECKED + compiled)


def _source(module: str) -> tuple[str, bool] | None:
    """A module's text, and whether it is a package; None for a name that is none."""
    try:
        # Ansible hands a module these sources in a zip file, so the loader is asked and not the disk.
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    source = getattr(spec and spec.loader, "get_source", lambda name: None)(module)
    if spec is None or source is None:
        return None
    # Ansible's own loader answers with bytes.
    text = source.decode() if isinstance(source, bytes) else str(source)
    return text, spec.submodule_search_locations is not None
