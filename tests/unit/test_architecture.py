"""Which way imports go: down, never up, never from one wing to another."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
FOUNDATION = {
    "application",
    "commands",
    "errors",
    "files",
    "hostname",
    "listeners",
    "lock",
    "markup",
    "netns",
    "notices",
    "results",
    "sizes",
    "units",
}
# What each room may import; a room that is not named here belongs nowhere yet.
MAY_IMPORT: dict[str, set[str]] = {
    "application": set(),
    "commands": {"errors"},
    "errors": set(),
    "files": set(),
    "hostname": {"errors"},
    "listeners": set(),
    "lock": {"errors"},
    "markup": set(),
    "netns": set(),
    "notices": {"errors", "files"},
    "results": set(),
    "sizes": {"errors"},
    "units": {"commands", "errors", "files"},
    "secretvalues": FOUNDATION,
    "docker": FOUNDATION,
    "stack": FOUNDATION | {"secretvalues"},
    "composefile": FOUNDATION | {"secretvalues", "stack"},
    "databases": FOUNDATION | {"secretvalues", "stack"},
    "secretscan": FOUNDATION | {"secretvalues", "docker"},
    "imagegate": FOUNDATION | {"secretvalues", "docker"},
    "siteprobe": FOUNDATION | {"secretvalues"},
    "hostprobe": FOUNDATION | {"secretvalues", "docker", "stack"},
    "dockerhost": FOUNDATION | {"docker"},
    "edge": FOUNDATION | {"stack"},
    # Both judge logs by the scanner, which is the only wing that others lean on.
    "release": FOUNDATION | {"composefile", "secretvalues", "docker", "stack", "databases", "secretscan", "imagegate"},
    "dokploy": FOUNDATION | {"secretvalues", "stack", "secretscan"},
}


def imports() -> Iterator[tuple[str, str, str]]:
    """Every import within plugins/: (file, the room it stands in, the room it leads to)."""
    for path in sorted(PLUGINS.rglob("*.py")):
        package = path.relative_to(PLUGINS).parts[:-1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            where = str(path.relative_to(PLUGINS))
            assert not (node.module or "").startswith("ansible_collections.sluice"), f"{where}: imports are relative"
            if not node.level:
                continue
            base = package[: len(package) - node.level + 1]
            for name in node.names:
                target = (*base, *(node.module or "").split("."), name.name)
                yield where, room(path.relative_to(PLUGINS).with_suffix("").parts), room(tuple(p for p in target if p))


def room(parts: tuple[str, ...]) -> str:
    return parts[1] if parts[0] == "module_utils" else parts[0]


ALL = sorted(set(imports()))


@pytest.mark.parametrize("name", sorted(p.stem for p in (PLUGINS / "module_utils").iterdir() if p.name[0] != "_"))
def test_a_room_imports_only_what_lies_below_it(name: str) -> None:
    wrong = [
        f"{file} imports {to}" for file, own, to in ALL if own == name and to != name and to not in MAY_IMPORT[name]
    ]
    assert not wrong


def test_what_runs_on_a_server_imports_nothing_of_the_controller() -> None:
    controller = {"plugin_utils", "action", "filter", "modules"}
    assert not [row for row in ALL if row[0].startswith("module_utils/") and row[2] in controller]


def test_what_is_tried_as_on_a_server_imports_nothing_of_the_controller() -> None:
    """ansible-test runs these two where only Ansible's part for servers can be imported."""
    here = Path(__file__).parent / "plugins"
    wrong = re.compile(r"plugins\.(action|filter|plugin_utils)\b|(from|import) ansible\.(?!module_utils)")
    files = [*here.glob("module_utils/**/*.py"), *here.glob("modules/**/*.py")]
    assert files and not [str(p) for p in files if wrong.search(p.read_text(encoding="utf-8"))]


def test_there_is_no_circle() -> None:
    below = {name: set(allowed) for name, allowed in MAY_IMPORT.items()}
    while below:
        ready = [name for name, allowed in below.items() if not allowed & below.keys()]
        assert ready, f"a circle among {sorted(below)}"
        for name in ready:
            del below[name]


def test_every_error_is_in_the_one_tree() -> None:
    """By bases that are plain names; one that http.client is to raise is of http.client's own tree."""
    elsewhere = [
        f"{path.relative_to(PLUGINS)}: {node.name}"
        for path in sorted(PLUGINS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and path != PLUGINS / "module_utils/errors.py"
        if any(isinstance(base, ast.Name) and base.id.endswith(("Error", "Exception")) for base in node.bases)
    ]
    assert not elsewhere


@pytest.mark.parametrize(
    ("word", "place"), [("flock(", "lock.py"), ("O_EXCL", "files.py"), ("os.replace(", ""), ("net/tcp", "listeners.py")]
)
def test_there_is_one_way_to(word: str, place: str) -> None:
    """Hold a lock, write a file whole, and read who listens."""
    found = [str(p.relative_to(PLUGINS)) for p in PLUGINS.rglob("*.py") if word in p.read_text(encoding="utf-8")]
    assert found == ([f"module_utils/{place}"] if place else [])


def test_every_command_ends_and_its_words_can_be_read() -> None:
    """What a command says is read as text that no byte can spoil, and none is waited for without end."""
    wrong = []
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "subprocess.run":
                continue
            given = {keyword.arg for keyword in node.keywords}
            if "timeout" not in given or "text" in given or ("encoding" in given and "errors" not in given):
                wrong.append(f"{path.relative_to(PLUGINS)}:{node.lineno}")
    assert not wrong
