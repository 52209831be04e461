"""Sources from a repository of others: nothing of a build leaves its checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import images
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Image
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Build, Service
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import World, description, run_in


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    (place / "app").mkdir(parents=True)
    (place / "app" / "Dockerfile").write_text("FROM scratch\n")
    return place


def built(tmp_path: Path, repository: Path, **build: Any) -> Image:
    commands = (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message", "x"],
    )
    for argv in commands:
        subprocess.run(["git", "-C", str(repository), *argv], check=True)
    run = run_in(World(), tmp_path / "state", description("1"), levels={"dockerfile": "off"})
    described = Build(**{"git": str(repository), "ref": "main", "context": "app", "dockerfile": "Dockerfile", **build})
    return images._built(run, Service(name="web", build=described), described, tmp_path / "build.log")


def test_a_repository_is_built_from_its_checkout(tmp_path: Path, repository: Path) -> None:
    assert built(tmp_path, repository).reference == "sluice/crm-web:build"


@pytest.mark.parametrize(
    ("link", "build", "where"),
    [
        ("host", {"context": "host"}, "context: host leads out"),
        ("app/.dockerignore", {"write_dockerignore": True}, r"context: app/\.dockerignore leads out"),
        ("app/Other", {"dockerfile": "Other"}, "dockerfile: app/Other leads out"),
        ("unused", {"dockerfile": "../../../x"}, "dockerfile: .* leads out"),
    ],
)
def test_no_link_leads_a_build_out_of_its_checkout(
    tmp_path: Path, repository: Path, link: str, build: dict[str, Any], where: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repository / link).symlink_to(outside / "new" if "ignore" in link else outside)
    with pytest.raises(StepError, match=where):
        built(tmp_path, repository, **build)
    assert list(outside.iterdir()) == []


def test_a_build_secret_s_id_is_a_plain_name(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(StepError, match=r"build\.secrets: '\.\./x' is no id"):
        built(tmp_path, repository, secrets={"../x": "TOKEN"})


def test_a_shortened_commit_id_is_told(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(StepError, match="git fetch failed") as caught:
        built(tmp_path, repository, ref="abcdef1")
    assert "give all 40 characters" in caught.value.advice


def test_a_fetch_that_hangs_ends(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_GIT_TIMEOUT", 0)
    with pytest.raises(StepError, match="git init did not end within 0 s"):
        built(tmp_path, repository)
