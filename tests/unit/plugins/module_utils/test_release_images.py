"""Sources from a repository of others: nothing of a build leaves its checkout."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import images, sources
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Image
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Build, Service
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import World, description, run_in


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    (place / "app").mkdir(parents=True)
    (place / "app" / "Dockerfile").write_text("FROM scratch\n")
    return place


def commit(place: Path) -> None:
    for argv in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message", "x"],
    ):
        subprocess.run(["git", "-C", str(place), *argv], check=True)


def built(tmp_path: Path, repository: Path, **build: Any) -> Image:
    commit(repository)
    run = run_in(World(), tmp_path / "state", description("1"), levels={"dockerfile": "off"})
    described = Build(**{"git": str(repository), "ref": "main", "context": "app", "dockerfile": "Dockerfile", **build})
    return images.built(run, Service(name="web", build=described), described, tmp_path / "build.log")


def test_a_repository_is_built_from_its_checkout(tmp_path: Path, repository: Path) -> None:
    assert built(tmp_path, repository).reference == "sluice/crm-web:build"


def test_a_build_is_for_the_platform_that_the_service_asks_for(tmp_path: Path, repository: Path) -> None:
    commit(repository)
    run = run_in(World(), tmp_path / "state", description("1"), levels={"dockerfile": "off"})
    build = Build(git=str(repository), ref="main", context="app", dockerfile="Dockerfile")
    service = Service(name="web", build=build, runtime={"platform": "linux/arm64"})
    assert images.built(run, service, build, tmp_path / "build.log").platform == "linux/arm64"


def fetched(tmp_path: Path, there: str, asked: str, pull: str = "missing") -> list[str]:
    """What is pulled where the image is there for one platform and asked for another."""
    world, described = World(), description("1")
    for service in described["services"].values():
        service["runtime"] = {"platform": asked}
        service["pull"] = pull
    run = run_in(world, tmp_path, described)
    world.registry = {"web:1", "db:1"}
    for reference in world.registry:
        run.engine.add_image(reference, platform=there)  # type: ignore[attr-defined]
    found = images.resolve(run)
    assert {image.platform for image in found.values()} <= {there, asked}
    return sorted(world.events)


@pytest.mark.parametrize(
    ("there", "asked", "pulled"),
    [
        ("linux/amd64", "linux/arm64", True),
        ("linux/amd64", "linux/amd64", False),
        ("linux/arm64/v8", "linux/arm64", False),
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/amd64", "linux/x86_64", False),
        ("linux/amd64", "", False),
    ],
)
def test_an_image_is_fetched_for_the_platform_that_is_asked_for(
    tmp_path: Path, there: str, asked: str, pulled: bool
) -> None:
    assert fetched(tmp_path, there, asked) == (["pull db:1", "pull web:1"] if pulled else [])


def test_an_image_of_another_platform_is_not_the_one_that_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="web:1 for linux/arm64 is not on the server, and pull: never"):
        fetched(tmp_path, "linux/amd64", "linux/arm64", "never")


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
    monkeypatch.setattr(sources, "_GIT_TIMEOUT", 0)
    with pytest.raises(StepError, match="git init did not end within 0 s"):
        built(tmp_path, repository)


def with_submodule(repository: Path, address: str) -> None:
    """A repository that names its neighbour `part` as a submodule, under any address."""
    (repository.parent / "part").mkdir()
    (repository.parent / "part" / "part.txt").write_text("here")
    commit(repository.parent / "part")
    argv = ["submodule", "--quiet", "add", str(repository.parent / "part"), "app/part"]
    subprocess.run(["git", "-C", str(repository), "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run(["git", "-C", str(repository), "-c", "protocol.file.allow=always", *argv], check=True)
    (repository / ".gitmodules").write_text(f'[submodule "app/part"]\n\tpath = app/part\n\turl = {address}\n')


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that gives out the repositories of the directory."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    options = ["--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={tmp_path}"]
    with subprocess.Popen(["git", "daemon", *options, str(tmp_path)]) as running:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}"
        running.terminate()


@pytest.mark.parametrize("relative", [False, True])
def test_a_submodule_is_built_with_its_files(tmp_path: Path, repository: Path, server: str, relative: bool) -> None:
    with_submodule(repository, "../part" if relative else f"{server}/part")
    built(tmp_path, repository, git=f"{server}/repository")
    (found,) = tmp_path.glob("state/crm/sources/*/app/part/part.txt")
    assert found.read_text() == "here"


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_submodule_is_no_directory_of_the_server(tmp_path: Path, repository: Path, form: str) -> None:
    with_submodule(repository, form.format(repository.parent / "part"))
    with pytest.raises(StepError, match=r"git submodule failed: .*transport 'file' not allowed") as caught:
        built(tmp_path, repository)
    assert ".gitmodules must be one that the server can fetch" in caught.value.advice
    assert not list(tmp_path.glob("state/crm/sources/*/app/part/*"))


def test_a_submodule_s_password_is_not_told(tmp_path: Path, repository: Path) -> None:
    with_submodule(repository, "git://user:t0ps3cret@127.0.0.1:1/part")
    with pytest.raises(StepError, match="git submodule failed: fatal: ") as caught:
        built(tmp_path, repository)
    assert "t0ps3cret" not in caught.value.cause


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for ssh: it keeps what it was given, and its other end is this machine."""
    place = tmp_path / "ssh"
    place.mkdir()
    (place / "ssh").write_text(f"""#!/bin/sh
[ ! -e {place}/said ] || {{ cat {place}/said >&2; exit 255; }}
for word; do case $word in
  IdentityFile=*) file=${{word#*=}}; cp $file {place}/key; stat -Lc %a $file > {place}/mode;;
  UserKnownHostsFile=*) cp ${{word#*=}} {place}/known_hosts;;
esac; done
echo "$@" > {place}/arguments
eval "$word"
""")
    (place / "ssh").chmod(0o755)
    monkeypatch.setattr(sources, "_SSH", str(place / "ssh"))
    return place


def fetched_by_key(tmp_path: Path, repository: Path, **build: Any) -> Path:
    commit(repository)
    run = run_in(World(), tmp_path / "state", description("1"))
    run.secrets["DEPLOY_KEY"] = "-----BEGIN\nplanted-key-77\n-----END"
    described = Build(git=f"git@code.test:{repository}", key="DEPLOY_KEY", context="app", **build)
    return sources.checkout(run, Service(name="web", build=described), described)


def held_in_memory() -> list[str]:
    """The files without a name that this process has open for keys."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(path))
    return [place for place in found if "memfd:sluice" in place]


def test_a_deploy_key_of_the_vault_fetches_and_is_on_no_disk(tmp_path: Path, repository: Path, ssh: Path) -> None:
    place = fetched_by_key(tmp_path, repository, known_hosts="code.test ssh-ed25519 AAAA")
    assert (place / "Dockerfile").exists()
    assert (ssh / "key").read_text() == "-----BEGIN\nplanted-key-77\n-----END\n"
    assert (ssh / "mode").read_text() == "600\n"
    assert (ssh / "known_hosts").read_text() == "code.test ssh-ed25519 AAAA\n"
    told = (ssh / "arguments").read_text()
    assert "StrictHostKeyChecking=yes" in told and "IdentitiesOnly=yes" in told and "planted-key" not in told
    left = [p for p in (tmp_path / "state").rglob("*") if p.is_file() and b"planted-key-77" in p.read_bytes()]
    assert left == []
    assert held_in_memory() == []


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("Host key verification failed.", "stack_services.web.build.known_hosts"),
        ("git@code.test: Permission denied (publickey).", "stack_services.web.build.key"),
    ],
)
def test_what_ssh_refuses_is_told_with_the_way_out(
    tmp_path: Path, repository: Path, ssh: Path, said: str, advice: str
) -> None:
    (ssh / "said").write_text(f"{said}\nfatal: Could not read from remote repository.\n")
    with pytest.raises(StepError, match=r"Permission denied|Host key") as caught:
        fetched_by_key(tmp_path, repository)
    assert advice in caught.value.advice
    assert "planted-key" not in str(caught.value)
