"""What the README names is there: commands, playbooks, inventories, messages, checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "plugins").rglob("*.py")))
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
MESSAGES = README.partition("## When it fails")[2].partition("\n## ")[0]


def test_every_make_target_exists():
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "demo-release"} <= named
    assert named <= TARGETS


def test_every_playbook_and_inventory_exists():
    named = set(re.findall(r"\b(?:playbooks|inventories)/[a-z_]+(?:/[a-z_]+\.yml|\.yml)?", README))
    # What a user's own steps make is not there beforehand.
    missing = {name for name in named if not (PROJECT / name).exists()}
    assert {"playbooks/site.yml", "inventories/demo"} <= named
    assert not missing


def test_every_local_link_leads_somewhere():
    links = set(re.findall(r"\]\((?!https?:)([^)#]+)", README))
    assert links
    assert not {link for link in links if not (PROJECT / link).exists()}


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
