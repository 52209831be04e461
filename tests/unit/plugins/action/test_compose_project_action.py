"""A project is brought onto a machine and read there."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.action.compose_project import pack
from ansible_collections.sluice.deploy.plugins.filter.compose import compose_secrets
from ansible_collections.sluice.deploy.plugins.module_utils.composefile.cli import Compose
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release import composeproject
from ansible_collections.sluice.deploy.plugins.module_utils.release.composeproject import read_compose_project
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Build

RESOLVED = {
    "services": {
        "app": {
            "image": "shop",
            "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}],
            "environment": {"KEY_SECRET": "from-the-file-1"},
        }
    }
}


class Answers(Compose):
    """A Compose that is there, and always resolves the same."""

    def demand(self) -> str:
        return "2.26.1"

    def config(self, directory: str, *_: Any, **__: Any) -> dict[str, Any]:
        mount = {"type": "bind", "source": f"{directory}/app.conf", "target": "/etc/app.conf", "read_only": True}
        return {"services": {"app": {**RESOLVED["services"]["app"], "volumes": [mount]}}}


@pytest.fixture(autouse=True)
def _compose(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "ansible_collections.sluice.deploy.plugins.module_utils.release.composeproject.Compose"
    monkeypatch.setattr(place, Answers)


def source(tmp_path: Path) -> Path:
    directory = tmp_path / "shop"
    directory.mkdir()
    (directory / "compose.yml").write_text("services: {app: {image: shop}}\n")
    (directory / "app.conf").write_text("x")
    (directory / ".git").mkdir()
    (directory / ".git/config").write_text("secret")
    return directory


def params(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {
        "name": "crm",
        "domain": "a.example",
        "project": {"directory": "shop"},
        "env": {},
        "secret_names": [],
        "routes": [],
        "corrections": {},
        "key": "",
        "root": str(tmp_path / "stacks"),
        "timeout": 5,
        "archive": "",
        "digest": "",
        **more,
    }


def test_a_directory_is_sent_once_and_read_where_it_stays(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    digest = pack(source(tmp_path), archive)
    assert read_compose_project(params(tmp_path, digest=digest), look=False)["wants_archive"]
    read = read_compose_project(params(tmp_path, digest=digest, archive=str(archive)), look=False)
    place = tmp_path / "stacks/crm/project/shop"
    assert read["services"]["app"]["files"][0]["source"] == f"{place}/app.conf"
    assert (place / "app.conf").read_text() == "x" and not (place / ".git").exists()
    assert "services" in read_compose_project(params(tmp_path, digest=digest), look=False)


def test_what_is_only_looked_at_leaves_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    digest = pack(source(tmp_path), archive)
    read = read_compose_project(params(tmp_path, digest=digest, archive=str(archive)), look=True)
    assert read["services"]["app"]["files"][0]["source"] == f"{tmp_path}/stacks/crm/project/shop/app.conf"
    assert not (tmp_path / "stacks").exists()


def test_an_archive_of_the_same_files_is_the_same(tmp_path: Path) -> None:
    directory = source(tmp_path)
    first = pack(directory, tmp_path / "1")
    (directory / "compose.yml").touch()
    assert pack(directory, tmp_path / "2") == first
    with tarfile.open(tmp_path / "2") as tar:
        assert tar.getnames() == ["app.conf", "compose.yml"]


@pytest.mark.parametrize(
    "project",
    [
        {},
        {"git": "a", "directory": "b"},
        {"directory": "a", "path": "../b"},
        {"gti": "a"},
        {"git": "https://ghp_planted@code.test/shop.git"},
        {"git": "--upload-pack=touch /x"},
        {"git": "git@code.test:shop.git", "ref": "--x"},
    ],
)
def test_a_project_that_is_not_said_well_is_an_error(tmp_path: Path, project: dict[str, str]) -> None:
    with pytest.raises(UserError, match="stack_compose") as refused:
        read_compose_project(params(tmp_path, project=project), look=True)
    assert "planted" not in str(refused.value)


def test_every_mistake_of_a_projects_place_is_in_one_answer(tmp_path: Path) -> None:
    project = {"dirctory": "shop", "paht": "x", "profiles": "web", "path": "/srv"}
    with pytest.raises(UserError) as refused:
        read_compose_project(params(tmp_path, project=project), look=True)
    assert str(refused.value).splitlines() == [
        "stack_compose.dirctory: unknown key (did you mean 'directory'?).",
        "stack_compose.paht: unknown key (did you mean 'path'?).",
        "stack_compose.profiles: expected a list.",
        "stack_compose.path: '/srv' is a directory within the project, without a / before it.",
    ]


def test_a_repository_is_opened_by_the_key_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def fetch(_: str, place: Path, build: Build, secrets: dict[str, str]) -> None:
        seen.append((build.key, secrets))
        (place / "compose.yml").write_text("services: {app: {image: shop}}\n")

    monkeypatch.setattr(composeproject, "fetch", fetch)
    project = {"git": "git@code.test:shop.git", "key": "DEPLOY_KEY"}
    read = read_compose_project(params(tmp_path, project=project, key="planted-key"), look=True)
    assert seen == [("DEPLOY_KEY", {"DEPLOY_KEY": "planted-key"})]
    assert "planted-key" not in str(read)
    with pytest.raises(UserError, match=r"stack_compose\.key: stack_secrets has no DEPLOY_KEY"):
        read_compose_project(params(tmp_path, project=project), look=True)


def test_a_machine_without_compose_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: object) -> str:
        raise UserError("no Compose")

    monkeypatch.setattr(Answers, "demand", none)
    assert read_compose_project(params(tmp_path), look=True) == {"trouble": "no Compose", "bare": True, "wants": []}


def test_secrets_of_the_files_join_those_of_the_vault() -> None:
    project = {
        "clear": {"A": "file", "B": "file"},
        "composed": {"URL": "x:%SECRET.B%@%SECRET.C%", "C": "%SECRET.A%", "LATER": "%SECRET.GONE%"},
    }
    assert compose_secrets({"B": "vault"}, project) == {"A": "file", "B": "vault", "C": "file", "URL": "x:vault@file"}
