"""What the README and the pages beside it name is there: commands, paths, links, messages, checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/reference.md")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "plugins").rglob("*.py")))
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
MESSAGES = README.partition("## When it fails")[2].partition("\n## ")[0]


def _text(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


def _exists(path: Path) -> bool:
    """Whether a path is there; what a build of the collection leaves out as a whole is not looked for."""
    top = PROJECT / path.relative_to(PROJECT).parts[0]
    return path.exists() or (top.name in ("demo", "molecule", "tools") and not top.exists())


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page):
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", _text(page), re.MULTILINE))
    assert named <= TARGETS


def test_the_readme_names_the_first_commands():
    assert {"demo", "test", "demo-release"} <= set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))


def test_every_playbook_and_inventory_exists():
    named = set(re.findall(r"\b(?:playbooks|inventories)/[a-z_]+(?:/[a-z_]+\.yml|\.yml)?", README))
    # What a user's own steps make is not there beforehand.
    missing = {name for name in named if not (PROJECT / name).exists()}
    assert {"playbooks/site.yml", "inventories/demo"} <= named
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_every_local_link_leads_somewhere(page):
    place = (PROJECT / page).parent
    links = set(re.findall(r"\]\((?!https?:)([^)#]+)", _text(page)))
    assert links or page != "README.md"
    assert not {link for link in links if not _exists((place / link).resolve())}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_heading_finds_it(page):
    place = PROJECT / page
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", _text(page)):
        headings = re.findall(r"^#+ (.+)$", (place.parent / target if target else place).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page):
    named = set(re.findall(r"[`\s]((?:plugins|roles|tests|molecule|changelogs|tools)/[\w/.-]*[\w/])[`\s]", _text(page)))
    assert named or page in ("README.md", "SECURITY.md", "docs/reference.md")
    assert not {name for name in named if not _exists(PROJECT / name)}


def _fragments() -> list[str]:
    """The literal parts of every message, and the ids of every check, in the table of failures."""
    cells = [line.split("|")[1] for line in MESSAGES.splitlines() if line.startswith("| ") and "`" in line]
    phrases = re.findall(r"`([^`]+)`", "".join(cells))
    parts = [part.strip() for phrase in phrases for part in re.split(r"…|NAME|\b\d+\b|\bs$", phrase)]
    return sorted({part for part in parts if len(part) > 3})


@pytest.mark.parametrize("fragment", _fragments())
def test_every_message_is_one_that_the_code_has(fragment):
    # Messages are composed: a placeholder of the code may stand for any word of the README's.
    words = [re.escape(word) for word in fragment.split()]
    assert re.search(r"[\s\"'{}]+".join(words), SOURCES), fragment
