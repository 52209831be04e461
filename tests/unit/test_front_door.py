"""What guards the front door: a fragment per change, CI's list of scenarios, how the demo may be broken."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / "tools"
pytestmark = pytest.mark.skipif(not TOOLS.exists(), reason="a build of the collection leaves tools/ out")


def _git(where: Path, *arguments: str) -> None:
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.test", "GIT_COMMITTER_NAME": "a"}
    env = {**os.environ, **names, "GIT_COMMITTER_EMAIL": "a@b.test", "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(["git", *arguments], cwd=where, env=env, check=True, capture_output=True)


def _write(where: Path, name: str, text: str = "x\n") -> None:
    (where / name).parent.mkdir(parents=True, exist_ok=True)
    (where / name).write_text(text)


def _asked(where: Path, **env: str) -> tuple[int, str]:
    bare = {name: value for name, value in os.environ.items() if name not in ("BASE", "GITHUB_BASE_REF")}
    ran = subprocess.run(
        ["bash", "tools/fragment"], cwd=where, env={**bare, **env}, text=True, capture_output=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def checkout(tmp_path):
    """A repository with a main branch, on a branch of its own."""
    _git(tmp_path, "init", "--quiet", "--initial-branch=main")
    _write(tmp_path, "tools/fragment", (TOOLS / "fragment").read_text())
    _write(tmp_path, "plugins/modules/a.py")
    _git(tmp_path, "add", "--all")
    _git(tmp_path, "commit", "--quiet", "--message=begin")
    _git(tmp_path, "switch", "--quiet", "--create=mend")
    return tmp_path


@pytest.mark.parametrize("name", ["plugins/modules/a.py", "roles/r/tasks/main.yml", "playbooks/site.yml"])
@pytest.mark.parametrize("committed", [True, False])
def test_a_change_without_a_fragment_is_refused(checkout, name, committed):
    _write(checkout, name, "changed\n")
    if committed:
        _git(checkout, "add", "--all")
        _git(checkout, "commit", "--quiet", "--message=change")
    status, said = _asked(checkout)
    assert status == 1
    assert name in said
    assert "changelogs/fragments" in said


@pytest.mark.parametrize("fragment", ["changelogs/fragments/a.yml", "changelogs/changelog.yaml"])
def test_a_change_with_a_fragment_passes(checkout, fragment):
    _write(checkout, "plugins/modules/a.py", "changed\n")
    _write(checkout, fragment)
    assert _asked(checkout) == (0, "")


def test_a_change_elsewhere_needs_none(checkout):
    _write(checkout, "tests/unit/test_a.py")
    assert _asked(checkout) == (0, "")


def test_main_itself_is_skipped(checkout):
    _git(checkout, "switch", "--quiet", "main")
    _write(checkout, "plugins/modules/a.py", "changed\n")
    assert _asked(checkout) == (77, "this is main itself\n")


def test_no_base_is_skipped(checkout):
    _git(checkout, "branch", "--quiet", "--delete", "--force", "main")
    status, said = _asked(checkout)
    assert (status, "no base branch" in said) == (77, True)


def test_a_shallow_clone_is_skipped(checkout, tmp_path_factory):
    _write(checkout, "plugins/modules/a.py", "changed\n")
    _git(checkout, "commit", "--quiet", "--all", "--message=change")
    _git(checkout, "switch", "--quiet", "main")
    _git(checkout, "commit", "--quiet", "--allow-empty", "--message=main goes on")
    clone = tmp_path_factory.mktemp("clone")
    _git(clone, "clone", "--quiet", "--depth=1", "--no-single-branch", "--branch=mend", f"file://{checkout}", ".")
    status, said = _asked(clone, GITHUB_BASE_REF="main")
    assert (status, "too shallow" in said) == (77, True)


def test_ci_runs_every_scenario():
    workflow = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())
    listed = workflow["jobs"]["scenarios"]["strategy"]["matrix"]["scenario"]
    assert listed == sorted(path.parent.name for path in PROJECT.glob("molecule/*/molecule.yml"))


def _breakable(mode: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BREAK": mode}
    return subprocess.run([TOOLS / "demo", "breakable"], env=env, text=True, capture_output=True, check=False)


def test_what_cannot_be_broken_is_refused_at_once():
    refused = _breakable("nonsense")
    assert refused.returncode == 2
    assert "BREAK=nonsense is not known; choose one of crash, " in refused.stderr


def test_every_mode_that_is_explained_may_be_chosen():
    text = (PROJECT / "demo/app/README.md").read_text().partition("| mode | what goes wrong |")[2].partition("\n\n")[0]
    explained = re.findall(r"^\| `([a-z-]+)`", text, re.MULTILINE)
    assert "secret-in-log" in explained
    modes = _breakable("nonsense").stderr.partition("choose one of ")[2].partition(".")[0].split(", ")
    assert sorted(modes) == sorted(explained)
    assert _breakable("bloat").returncode == 0
