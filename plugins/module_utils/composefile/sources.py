# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files a project consists of, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .findings import Findings

DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_EXAMPLES = (
    "{0}.example",
    "{0}.sample",
    "{0}.dist",
    "{0}.template",
    "{0}.default",
    "{0}-example",
    "{0}-sample",
    "{0}.tpl",
)
_OTHER_EXAMPLES = (
    *(".env.example", "example.env", ".env.sample", "sample.env", "env.example", "env.sample", ".env.dist", "env.dist"),
    *(".env.template", "template.env", ".env.default", "default.env", "dotenv", "stack.env.example", ".example.env"),
    *(
        ".env.production.example",
        ".env.prod.example",
        ".env.docker.example",
        ".env-example",
        ".env.docker",
        "env-example",
        "env.template",
    ),
)
_NAMED = re.compile(r"[\w./-]+\.ya?ml")
_COMPOSE_FILE = re.compile(r"^\s*(?:export\s+)?COMPOSE_FILE\s*=\s*[\"']?([^\"'\s#]+)", re.MULTILINE)
_PROFILES = re.compile(r"^\s*(?:export\s+)?COMPOSE_PROFILES\s*=\s*[\"']?([^\"'\s#]+)", re.MULTILINE)
_LARGEST = 5_000_000
_MOST = 60


def compose_files(directory: Path, asked: Sequence[str], findings: Findings) -> list[str]:
    """The Compose files of a project, as Compose finds them where none is named."""
    if asked:
        for name in asked:
            if not (directory / name).is_file():
                findings.refuse("stack_compose.files", f"there is no {name} in the project", _there(directory))
        return [name for name in asked if (directory / name).is_file()]
    told = _COMPOSE_FILE.search(text_of(directory / ".env"))
    if told:
        return compose_files(directory, told[1].split(":"), findings)
    found = next((name for name in DEFAULT_FILES if (directory / name).is_file()), "")
    if not found:
        findings.refuse("stack_compose", f"the project has none of {', '.join(DEFAULT_FILES)}", _there(directory))
        return []
    override = next((name for name in _OVERRIDES if (directory / name).is_file()), "")
    return [found, override] if override else [found]


def env_profiles(directory: Path) -> list[str]:
    """The profiles that the project's own .env asks for."""
    told = _PROFILES.search(text_of(directory / ".env"))
    return [p for p in told[1].split(",") if p] if told else []


def texts(directory: Path, files: Sequence[str]) -> dict[str, str]:
    """The raw text of each file, and of those that they include or extend, by their names."""
    found: dict[str, str] = {}
    waiting = [(directory / name, name) for name in files]
    while waiting and len(found) < _MOST:
        path, name = waiting.pop(0)
        if name in found or not path.is_file():
            continue
        found[name] = text_of(path)
        for line in found[name].splitlines():
            if not re.match(r"\s*(-\s*)?(file|path|include)?\s*:?\s*[\[\"'-]?[^:]*\.ya?ml", line):
                continue
            for named in _NAMED.findall(line):
                other = path.parent / named
                if other.is_file() and re.search(r"^(services|include):", text_of(other), re.MULTILINE):
                    waiting.append((other, named))
    return found


def example_of(path: Path) -> Path | None:
    """The example that stands beside an env file that is not there."""
    names = [form.format(path.name) for form in _EXAMPLES] + list(_OTHER_EXAMPLES)
    if path.name != ".env":
        names.insert(0, f"{path.stem}.example{path.suffix}")
        names.insert(0, f"{path.stem}-example{path.suffix}")
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def _there(directory: Path) -> str:
    names = (
        sorted(p.name for p in directory.glob("*.y*ml") if p.suffix in (".yml", ".yaml"))[:8]
        if directory.is_dir()
        else []
    )
    return f"files: [{', '.join(names)}] of those that are there" if names else "directory: where they lie"


def text_of(path: Path, most: int = _LARGEST) -> str:
    """A file's beginning; nothing of one that cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(most)
    except OSError:
        return ""
