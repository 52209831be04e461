"""What bash offers in a checkout: make targets, their variables, playbooks, and the words that these take."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
COMPLETION = PROJECT / "tools/completion.bash"
pytestmark = pytest.mark.skipif(not COMPLETION.exists(), reason="a build of the collection leaves tools/ out")


def offered(function: str, *words: str) -> set[str]:
    """What is offered for the last of the words."""
    script = f"""
        source {shlex.quote(str(COMPLETION))}
        compopt() {{ :; }}
        COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        {function}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=30)
    assert not done.stderr
    return set(done.stdout.split())


def test_make_targets_and_variables() -> None:
    assert offered("_sluice_make", "make", "sta") == {"start", "status"}
    assert offered("_sluice_make", "make", "logs", "SI") == {"SINCE="}


def test_playbooks_and_inventories() -> None:
    assert offered("_sluice_playbook", "ansible-playbook", "playbooks/re") == {
        f"playbooks/{name}.yml" for name in ("recover", "remove", "restart", "restore")
    }
    assert "inventories/prod" in offered("_sluice_playbook", "ansible-playbook", "-i", "")


def test_words_of_the_playbook_and_settings_of_the_roles() -> None:
    own = offered("_sluice_playbook", "ansible-playbook", "playbooks/logs.yml", "-e", "")
    assert {"service=", "since=", "grep=", "lines=", "follow=", "verify_schedule="} <= own
    assert offered("_sluice_playbook", "ansible-playbook", "playbooks/run.yml", "-e", "comm") == {"command="}
    assert "recover_over=" in offered("_sluice_playbook", "ansible-playbook", "playbooks/recover.yml", "-e", "rec")
