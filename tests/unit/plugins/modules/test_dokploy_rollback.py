"""What served before: remembered, and deployed again when asked for or when the new one is not to be trusted."""

from __future__ import annotations

import json
import subprocess

import pytest

FILE = "services: {{web: {{image: 'example/web:{version}'}}}}\n"
PLACE = {"project": "crm", "name": "app"}


@pytest.fixture
def release(dokploy):
    dokploy.run("dokploy_project", name="crm")

    def release(version: str, **options):
        made = dokploy.run("dokploy_compose", **PLACE, compose_file=FILE.format(version=version))
        return made["compose_id"], deploy(dokploy, made["compose_id"], **options)

    return release


def deploy(dokploy, compose_id, **options):
    return dokploy.run("dokploy_deployment", compose_id=compose_id, health_timeout=1, **options)


def served(dokploy, compose_id):
    return dokploy.standin.store.composes[compose_id]["composeFile"]


def test_what_served_before_is_deployed_again_and_back_again(dokploy, release):
    compose_id, _ = release("1")
    release("2")
    back = deploy(dokploy, compose_id, state="rolled_back")
    assert back["changed"] and back["status"] == "done" and "web:1" in served(dokploy, compose_id)
    assert deploy(dokploy, compose_id)["changed"] is False
    assert deploy(dokploy, compose_id, state="rolled_back")["changed"] and "web:2" in served(dokploy, compose_id)


def test_check_mode_rolls_nothing_back_and_says_why_it_would(dokploy, release):
    compose_id, _ = release("1")
    release("2")
    planned = deploy(dokploy, compose_id, state="rolled_back", check=True)
    assert planned["changed"] and dokploy.posts == [] and "web:2" in served(dokploy, compose_id)
    done = deploy(dokploy, compose_id, state="rolled_back")
    assert (done["reasons"], done["diff"]) == (planned["reasons"], planned["diff"])
    assert done["diff"]["before"]["deployed"] != done["diff"]["after"]["deployed"]


def test_where_nothing_served_before_there_is_no_way_back(dokploy, release):
    compose_id, _ = release("1")
    result = deploy(dokploy, compose_id, state="rolled_back")
    assert "there is nothing to go back to" in result["msg"] and dokploy.posts == []


def test_a_service_that_was_changed_and_not_deployed_goes_back_to_what_serves(dokploy, release):
    compose_id, _ = release("1")
    dokploy.run("dokploy_compose", **PLACE, compose_file=FILE.format(version="2"))
    assert deploy(dokploy, compose_id, state="rolled_back")["changed"] and "web:1" in served(dokploy, compose_id)


def test_after_a_failure_what_served_is_deployed_again(dokploy, release):
    compose_id, _ = release("1")
    exits = iter([1, 0])
    deployed = dokploy.engine.run
    dokploy.engine.run = lambda argv, *rest: deployed(argv, *rest) or (next(exits) if "up" in argv else 0)
    _, result = release("2")
    assert result["failed"] and result["went_back"] and "the deployment failed" in result["msg"]
    assert "What served before was deployed again, and serves." in result["msg"]
    assert "web:1" in served(dokploy, compose_id) and deploy(dokploy, compose_id)["changed"] is False


def test_the_way_back_may_fail_as_well_and_may_be_closed(dokploy, release):
    compose_id, _ = release("1")
    dokploy.engine.exit_code = 1
    _, result = release("2")
    assert "could not be brought back: the deployment failed" in result["msg"] and "went_back" not in result
    dokploy.run("dokploy_compose", **PLACE, compose_file=FILE.format(version="3"))
    assert "brought back" not in deploy(dokploy, compose_id, go_back=False)["msg"]
    assert "web:3" in served(dokploy, compose_id)


def test_the_first_deployment_and_the_same_source_have_no_way_back(dokploy, release):
    dokploy.engine.exit_code = 1
    compose_id, result = release("1")
    assert "brought back" not in result["msg"]
    dokploy.engine.exit_code = 0
    assert deploy(dokploy, compose_id)["changed"]
    dokploy.engine.exit_code = 1
    assert "brought back" not in deploy(dokploy, compose_id, force=True)["msg"]


def test_the_record_holds_no_variables_and_a_spoilt_one_is_none(dokploy, release):
    compose_id, _ = release("1")
    (mount,) = dokploy.standin.store.tables["mounts"].values()
    assert set(json.loads(mount["content"])["served"]) == {"sourceType", "composeFile"}
    mount["content"] = "[" * 50_000
    assert "nothing to go back to" in deploy(dokploy, compose_id, state="rolled_back")["msg"]


def test_a_build_that_fails_and_leaks_says_both(dokploy, release):
    dokploy.run("dokploy_compose", **PLACE, compose_file=FILE.format(version="1"), secrets={"TOKEN": "synthetic-leak"})
    compose_id = next(iter(dokploy.standin.store.composes))
    dokploy.engine.exit_code, dokploy.engine.build_output = 1, "token synthetic-leak\n"
    result = deploy(dokploy, compose_id)
    assert "the deployment failed" in result["msg"] and "the build log holds secrets" in result["msg"]
    assert "synthetic-leak" not in dokploy.output


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository that git reads by an address without going to the network."""
    path = tmp_path / "repository"

    def git(*words: str) -> str:
        argv = ["git", "-C", str(path), "-c", "user.name=t", "-c", "user.email=t@example.com", *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    path.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    for name, value in {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{path}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://git.example.com/crm.git",
    }.items():
        monkeypatch.setenv(name, value)
    return git


def test_a_commit_is_deployed_again_by_a_tag_that_is_at_it(dokploy, repository):
    dokploy.run("dokploy_project", name="crm")
    dokploy.engine.repository = FILE.format(version="1")
    dokploy.standin.deployer.commit_delay = 0.05
    made = dokploy.run("dokploy_compose", **PLACE, git_url="https://git.example.com/crm.git")
    for version in ("1", "2"):
        repository("commit", "--quiet", "--allow-empty", "-m", version)
        dokploy.engine.commit = repository("rev-parse", "HEAD")
        assert deploy(dokploy, made["compose_id"], revision=dokploy.engine.commit)["changed"]
    refused = deploy(dokploy, made["compose_id"], state="rolled_back")
    assert "no branch or tag of https://git.example.com/crm.git" in refused["msg"] and dokploy.posts == []
    repository("tag", "-a", "-m", "x", "v1", "HEAD~")
    dokploy.engine.commit = repository("rev-parse", "HEAD~")
    back = deploy(dokploy, made["compose_id"], state="rolled_back")
    assert back["changed"] and back["revision"] == dokploy.engine.commit
    assert dokploy.standin.store.composes[made["compose_id"]]["customGitBranch"] == "v1"


def test_a_repository_whose_commit_was_never_told_is_not_deployed_in_its_place(dokploy):
    dokploy.run("dokploy_project", name="crm")
    dokploy.engine.repository, dokploy.engine.commit = FILE.format(version="1"), ""
    made = dokploy.run("dokploy_compose", **PLACE, git_url="https://git.example.com/crm.git")
    deploy(dokploy, made["compose_id"])
    dokploy.run("dokploy_compose", **PLACE, compose_file=FILE.format(version="2"))
    result = deploy(dokploy, made["compose_id"], state="rolled_back")
    assert "it is not known at which commit" in result["msg"] and dokploy.posts == []


@pytest.mark.parametrize(("version", "refused"), [("v0.30.2", False), ("v0.30.3", True), ("v0.30.4", False)])
@pytest.mark.parametrize("path", ["./compose.yml", "./deploy/compose.yml"])
def test_the_version_that_ignores_variables_of_a_subdirectory_is_refused(dokploy, monkeypatch, version, refused, path):
    from ansible_collections.sluice.deploy.tests.standin_dokploy import procedures

    monkeypatch.setattr(procedures, "VERSION", version)
    dokploy.run("dokploy_project", name="crm")
    source = {"git_url": "https://git.example.com/crm.git", "git_path": path}
    made = dokploy.run("dokploy_compose", **PLACE, **source, env={"MODE": "plain"})
    result = deploy(dokploy, made["compose_id"])
    assert ("ignores the variables" in result.get("msg", "")) is (refused and "deploy" in path)
