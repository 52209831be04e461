"""The modules against a stand-in server that behaves as the real one, Docker aside."""

from __future__ import annotations

import base64
import subprocess
import time

import pytest
import yaml

from ansible_collections.sluice.deploy.tests.standin_dokploy import convert, dotenv

COMPOSE_FILE = """\
services:
  web:
    image: example/web:1
    environment:
      APP_SECRET: ${APP_SECRET:?}
  cache:
    image: example/cache:1
"""
SECRETS = {"APP_SECRET": "it's a #1 $ecret\"", "DB_PASSWORD": "correct-horse-battery"}
DOMAIN = {"host": "crm.example.com", "service": "web", "port": 8000}


@pytest.fixture
def place(dokploy):
    dokploy.run("dokploy_project", name="crm")
    return {"project": "crm", "name": "app", "compose_file": COMPOSE_FILE}


@pytest.fixture
def service(dokploy, place):
    made = dokploy.run("dokploy_compose", **place, secrets=SECRETS, env={"MODE": "plain"})
    return made["compose_id"]


def deploy(dokploy, compose_id, **options):
    return dokploy.run("dokploy_deployment", compose_id=compose_id, secrets=SECRETS, health_timeout=1, **options)


# Projects and environments


def test_project_is_made_once_and_described(dokploy):
    first = dokploy.run("dokploy_project", name="crm", description="one")
    assert first["changed"] and first["project_id"]
    assert dokploy.posts == ["project.create"]
    assert not dokploy.run("dokploy_project", name="crm", description="one")["changed"]
    assert dokploy.posts == []
    changed = dokploy.run("dokploy_project", name="crm", description="two")
    assert changed["diff"] == {"before": {"description": "one"}, "after": {"description": "two"}}


def test_two_projects_of_one_name_are_an_error_with_both_ids(dokploy):
    ids = [dokploy.standin.store.make_project("crm", None, "")["projectId"] for _ in range(2)]
    result = dokploy.run("dokploy_project", name="crm")
    assert result["failed"] and all(i in result["msg"] for i in ids)
    assert dokploy.posts == []


def test_removing_a_project_removes_its_containers(dokploy, service):
    deploy(dokploy, service)
    assert dokploy.engine.projects
    removed = dokploy.run("dokploy_project", name="crm", state="absent")
    assert removed["changed"] and dokploy.posts == ["compose.delete", "project.remove"]
    assert not dokploy.engine.projects
    assert dokploy.engine.volumes, "volumes were not to be deleted"
    assert not dokploy.run("dokploy_project", name="crm", state="absent")["changed"]


def test_a_project_with_a_foreign_service_is_not_removed(dokploy, place):
    environment = next(iter(dokploy.standin.store.environments.values()))
    environment["postgres"] = [{"name": "main"}]
    result = dokploy.run("dokploy_project", name="crm", state="absent")
    assert result["failed"] and "main (postgres)" in result["msg"]
    assert dokploy.posts == []


def test_environment_is_made_described_and_removed(dokploy, place):
    made = dokploy.run("dokploy_environment", project="crm", name="staging")
    assert made["changed"] and made["environment_id"]
    assert not dokploy.run("dokploy_environment", project="crm", name="staging")["changed"]
    assert dokploy.run("dokploy_environment", project="crm", name="staging", description="x")["changed"]
    assert dokploy.run("dokploy_environment", project="crm", name="staging", state="absent")["changed"]
    gone = dokploy.run("dokploy_environment", project="crm", name="staging", state="absent")
    assert not gone["changed"] and gone["environment_id"] is None


def test_the_default_environment_stays(dokploy, place):
    result = dokploy.run("dokploy_environment", project="crm", name="production", state="absent")
    assert result["failed"] and "remove the project" in result["msg"]


# Compose services


def test_service_is_made_with_its_environment(dokploy, service):
    stored = dokploy.standin.store.composes[service]
    assert stored["sourceType"] == "raw" and stored["autoDeploy"] is False
    assert "compose.saveEnvironment" in dokploy.posts


def test_service_again_sends_no_change(dokploy, place, service):
    again = dokploy.run("dokploy_compose", **place, secrets=SECRETS, env={"MODE": "plain"})
    assert not again["changed"] and dokploy.posts == []
    assert again["requests"] == {"reads": 2, "writes": 0}


def test_environment_is_compared_by_content(dokploy, place, service):
    stored = dokploy.standin.store.composes[service]
    lines = stored["env"].splitlines()
    stored["env"] = "# edited by hand\n" + "\n".join(reversed(lines))
    assert not dokploy.run("dokploy_compose", **place, secrets=SECRETS)["changed"]


def test_other_variables_stay_unless_purged(dokploy, place, service):
    dokploy.standin.store.composes[service]["env"] += "\nBY_HAND=1"
    assert not dokploy.run("dokploy_compose", **place, secrets=SECRETS)["changed"]
    purged = dokploy.run("dokploy_compose", **place, secrets=SECRETS, purge_env=True)
    assert "BY_HAND" in purged["diff"]["before"]["environment"]
    assert "BY_HAND" not in dokploy.standin.store.composes[service]["env"]


def test_every_character_of_a_secret_reaches_compose(dokploy, service):
    deploy(dokploy, service)
    assert 'APP_SECRET="it\'s a #1 \\$ecret\\""' in dokploy.engine.environments[-1]


def test_secrets_are_in_no_output(dokploy, place):
    for check in (True, False):
        dokploy.run("dokploy_compose", **place, secrets=SECRETS, check=check)
        for value in SECRETS.values():
            assert value not in dokploy.output
            assert base64.b64encode(value.encode()).decode() not in dokploy.output
    changed = dokploy.run("dokploy_compose", **place, secrets={**SECRETS, "DB_PASSWORD": "another-password"})
    assert changed["diff"]["after"]["environment"]["DB_PASSWORD"] == "(hidden, changed)"
    assert "another-password" not in dokploy.output and SECRETS["DB_PASSWORD"] not in dokploy.output


def test_a_diff_hides_what_was_set_by_hand(dokploy, place, service):
    stored = dokploy.standin.store.composes[service]
    stored["composeFile"] = "services:\n  web:\n    environment:\n      DB_PASSWORD: typed-by-hand\n      MODE: plain\n"
    stored["customGitUrl"] = "https://bot:typed-token@git.example.com/a.git"
    result = dokploy.run("dokploy_compose", **place)
    assert "DB_PASSWORD: [redacted]" in result["diff"]["before"]["composeFile"]
    assert "MODE: plain" in result["diff"]["before"]["composeFile"]
    assert "${APP_SECRET:?}" in result["diff"]["after"]["composeFile"], "a reference hides nothing"
    assert "typed-by-hand" not in dokploy.output and "typed-token" not in dokploy.output
    dokploy.standin.store.composes[service]["sourceType"] = "git"
    git = {"project": "crm", "name": "app", "git_url": "https://git.example.com/a.git"}
    dokploy.run("dokploy_compose", **git)
    assert "typed-token" not in dokploy.output


def test_check_mode_changes_nothing(dokploy, place):
    planned = dokploy.run("dokploy_compose", **place, secrets=SECRETS, check=True)
    assert planned["changed"] and planned["compose_id"] is None
    assert dokploy.posts == [] and not dokploy.standin.store.composes


def test_git_source_and_read_back(dokploy, place):
    git = {
        "project": "crm",
        "name": "app",
        "git_url": "https://git.example.com/app.git",
        "git_branch": "release",
    }
    made = dokploy.run("dokploy_compose", **git)
    stored = dokploy.standin.store.composes[made["compose_id"]]
    assert (stored["sourceType"], stored["customGitBranch"]) == ("git", "release")
    assert not dokploy.run("dokploy_compose", **git)["changed"]


def test_a_change_that_is_not_stored_is_an_error(dokploy, place, service, monkeypatch):
    from ansible_collections.sluice.deploy.tests.standin_dokploy.procedures import EMPTY, Procedures

    monkeypatch.setattr(Procedures, "compose_update", lambda self, values: EMPTY)
    result = dokploy.run("dokploy_compose", **{**place, "compose_file": COMPOSE_FILE + "# new\n"})
    assert result["failed"] and "did not store composeFile" in result["msg"]


def test_an_old_server_is_not_given_what_it_would_damage(dokploy, place, monkeypatch):
    from ansible_collections.sluice.deploy.tests.standin_dokploy import procedures

    monkeypatch.setattr(procedures, "VERSION", "v0.29.2")
    result = dokploy.run("dokploy_compose", **place, secrets=SECRETS)
    assert result["failed"] and "v0.29.2" in result["msg"] and "APP_SECRET" in result["msg"]
    assert "compose.saveEnvironment" not in dokploy.posts
    assert "changed" in dokploy.run("dokploy_compose", **place, secrets={"APP_SECRET": "0123abcd"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"compose_file": "services:\n  proxy:\n    image: nginx:1.28\n    ports: ['80:80']\n"},
            "line 4: service proxy publishes port 80",
        ),
        ({"compose_file": None}, "one of git_url, compose_file and stack"),
        ({"git_url": "https://u:p@git.example.com/a.git", "compose_file": None}, "git_url holds credentials"),
        ({"secrets": {"BAD NAME": "long-enough"}}, "not a valid name"),
        ({"env": {"LIST": [1]}}, "env.LIST must be text"),
        ({"secrets": {"PIN": "123"}}, "fewer than 4 characters"),
        ({"environment": "staging"}, "make it with dokploy_environment first"),
    ],
)
def test_bad_input_is_one_sentence(dokploy, place, arguments, message):
    given = {key: value for key, value in {**place, **arguments}.items() if value is not None}
    result = dokploy.run("dokploy_compose", **given)
    assert result["failed"] and message in result["msg"]
    assert "Traceback" not in dokploy.output


def test_service_is_removed_with_or_without_volumes(dokploy, place, service):
    deploy(dokploy, service)
    planned = dokploy.run("dokploy_compose", **place, state="absent", check=True)
    assert planned["changed"] and dokploy.posts == []
    assert dokploy.run("dokploy_compose", **place, state="absent")["changed"]
    assert not dokploy.engine.projects and dokploy.engine.volumes
    assert not dokploy.run("dokploy_compose", **place, state="absent")["changed"]


# Domains


def test_domains_are_made_once_with_a_certificate(dokploy, service):
    arguments = {"compose_id": service, "domains": [DOMAIN, {**DOMAIN, "path": "/api", "service": "cache"}]}
    made = dokploy.run("dokploy_domain", **arguments)
    assert made["changed"] and dokploy.posts == ["domain.create"] * 2
    row = next(iter(dokploy.standin.store.domains.values()))
    assert row["https"] is True and row["certificateType"] == "letsencrypt"
    again = dokploy.run("dokploy_domain", **arguments)
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0}


def test_domains_are_updated_and_purged(dokploy, service):
    dokploy.run("dokploy_domain", compose_id=service, domains=[DOMAIN, {**DOMAIN, "host": "old.example.com"}])
    changed = dokploy.run("dokploy_domain", compose_id=service, purge=True, domains=[{**DOMAIN, "port": 9000}])
    assert dokploy.posts == ["domain.delete", "domain.update"]
    assert [(d["host"], d["port"]) for d in changed["domains"]] == [("crm.example.com", 9000)]


def test_a_domain_for_no_service_is_refused_before_it_breaks_deployments(dokploy, service):
    result = dokploy.run("dokploy_domain", compose_id=service, domains=[{**DOMAIN, "service": "wep"}])
    assert result["failed"] and "did you mean 'web'" in result["msg"]
    assert dokploy.posts == []


def test_a_domain_that_exists_twice_is_an_error(dokploy, service):
    for _ in range(2):
        dokploy.standin.store.make_domain({"composeId": service, "host": "crm.example.com", "serviceName": "web"})
    result = dokploy.run("dokploy_domain", compose_id=service, domains=[DOMAIN])
    assert result["failed"] and "more than once" in result["msg"]


def test_domain_is_removed(dokploy, service):
    dokploy.run("dokploy_domain", compose_id=service, domains=[DOMAIN])
    gone = dokploy.run("dokploy_domain", compose_id=service, domains=[DOMAIN], state="absent")
    assert gone["changed"] and gone["domains"] == []


# Deployments


def test_deployed_once_and_then_left_alone(dokploy, service):
    first = deploy(dokploy, service)
    assert first["changed"] and first["reasons"] == ["it was never deployed"]
    assert first["status"] == "done" and first["timeline"][0].endswith("queued")
    second = deploy(dokploy, service)
    assert not second["changed"] and second["reasons"] == []
    assert second["requests"] == {"reads": 2, "writes": 0}


def test_a_changed_environment_is_deployed_once(dokploy, place, service):
    deploy(dokploy, service)
    dokploy.run("dokploy_compose", **place, secrets={**SECRETS, "DB_PASSWORD": "another-password"})
    changed = deploy(dokploy, service)
    assert changed["reasons"] == ["source, environment or domains changed since the last deployment"]
    assert not deploy(dokploy, service)["changed"]


def test_a_changed_domain_is_deployed(dokploy, service):
    deploy(dokploy, service)
    dokploy.run("dokploy_domain", compose_id=service, domains=[DOMAIN])
    assert deploy(dokploy, service)["changed"]


def test_the_description_of_a_user_stays(dokploy, place, service):
    dokploy.run("dokploy_compose", **place, description="our CRM")
    deploy(dokploy, service)
    assert dokploy.standin.store.composes[service]["description"].startswith("our CRM [deployed ")
    assert not dokploy.run("dokploy_compose", **place, description="our CRM")["changed"]
    assert dokploy.run("dokploy_compose", **place, description="the CRM")["changed"]
    assert not deploy(dokploy, service)["changed"], "a description is not deployed"


def test_asked_for(dokploy, service):
    deploy(dokploy, service)
    assert deploy(dokploy, service, force=True)["reasons"] == ["asked for (force)"]


def test_check_mode_says_why_it_would_deploy(dokploy, service):
    planned = deploy(dokploy, service, check=True)
    assert planned["changed"] and planned["reasons"] == ["it was never deployed"]
    assert planned["diff"]["after"]["because"] == planned["reasons"] and not planned["diff"]["before"]["deployed"]
    assert dokploy.posts == [] and not dokploy.engine.projects
    assert dokploy.run("dokploy_deployment", compose_id="", check=True)["changed"]


def test_a_failed_build_shows_the_redacted_end_of_its_log(dokploy, service):
    dokploy.engine.exit_code = 1
    script = base64.b64encode(dotenv.write(SECRETS).encode()).decode()
    dokploy.engine.build_output = (
        f'error: no such module near \x1b[2Jcorrect-horse-battery\necho "{script}" | base64 -d > .env\n'
    )
    result = deploy(dokploy, service)
    assert result["failed"] and "the deployment failed" in result["msg"]
    assert "error: no such module near [redacted]" in result["log_tail"]
    assert result["deployment_id"]
    for value in SECRETS.values():
        assert value not in dokploy.output
    hidden = next(line for line in result["log_tail"] if "base64 -d" in line)
    assert '"[redacted]"' in hidden, "Dokploy may print the environment as base64"
    dokploy.engine.exit_code = 0
    assert deploy(dokploy, service)["reasons"][0] == "the last deployment ended as error"


def test_a_crash_loop_fails_although_the_server_says_done(dokploy, service):
    dokploy.engine.states["web"] = ("restarting", "Restarting (1) 2 seconds ago")
    result = deploy(dokploy, service)
    assert result["failed"] and result["status"] == "done"
    assert "its containers do not serve" in result["msg"] and "log of idweb" in result["msg"]
    dokploy.engine.states.clear()
    assert deploy(dokploy, service)["changed"], "what never served is deployed again"


def test_a_secret_in_the_build_log_fails_the_gate(dokploy, service):
    dokploy.engine.build_output = "#8 [2/3] RUN echo correct-horse-battery\n"
    result = deploy(dokploy, service)
    assert result["failed"] and "the build log holds secrets" in result["msg"]
    gate = next(g for g in result["gates"] if g["id"] == "dokploy.build_log")
    assert gate["status"] == "fail" and "Value of DB_PASSWORD" in gate["evidence"][0]
    assert "correct-horse-battery" not in dokploy.output
    assert not deploy(dokploy, service, scan="warn").get("failed")


def test_a_secret_known_only_to_the_server_is_hidden_too(dokploy, service):
    dokploy.standin.store.composes[service]["env"] += "\nOTHER_TOKEN=only-the-server-knows"
    dokploy.engine.build_output = "using only-the-server-knows\n"
    result = deploy(dokploy, service)
    assert result["failed"] and "only-the-server-knows" not in dokploy.output


def test_a_credential_that_no_one_named_is_hidden_too(dokploy, service):
    dokploy.engine.exit_code = 1
    dokploy.engine.build_output = "fetching https://bot:t0ken-9f8a7b6c@h/x failed: t0ken-9f8a7b6c refused\n"
    result = deploy(dokploy, service)
    assert result["failed"] and "t0ken-9f8a7b6c" not in dokploy.output


def test_a_restart_of_the_server_loses_the_queued_job(dokploy, service, monkeypatch):
    from ansible_collections.sluice.deploy.plugins.module_utils.dokploy import deployment

    monkeypatch.setattr(deployment, "VANISHED_AFTER", 0.1)
    dokploy.standin.deployer.queue_delay = 0.3
    original = dokploy.standin.procedures.compose_deploy

    def deploy_then_restart(values):
        answer = original(values)
        dokploy.standin.deployer.restart()
        return answer

    monkeypatch.setattr(dokploy.standin.procedures, "compose_deploy", deploy_then_restart)
    result = deploy(dokploy, service)
    assert result["failed"] and "vanished" in result["msg"]


def test_a_restart_of_the_server_cancels_the_running_deployment(dokploy, service, monkeypatch):
    run = dokploy.engine.run

    def restarted(argv, directory, log):
        if "up" in argv:
            dokploy.standin.deployer.restart()
        return run(argv, directory, log)

    monkeypatch.setattr(dokploy.engine, "run", restarted)
    result = deploy(dokploy, service)
    assert result["failed"] and "cancelled, by hand or by a restart of the Dokploy server; run again" in result["msg"]
    monkeypatch.setattr(dokploy.engine, "run", run)
    again = deploy(dokploy, service)
    assert again["changed"] and again["reasons"][0] == "the last deployment ended as cancelled"


def test_a_git_source_is_checked_before_it_is_deployed(dokploy, place):
    dokploy.engine.repository = "services:\n  web:\n    image: x\n    ports: ['443:443']\n"
    made = dokploy.run("dokploy_compose", project="crm", name="git", git_url="https://git.example.com/a.git")
    result = deploy(dokploy, made["compose_id"])
    assert result["failed"] and "service web publishes port 443" in result["msg"]
    assert dokploy.posts == []
    dokploy.engine.repository = "services:\n  web:\n    image: x\n"
    good = deploy(dokploy, made["compose_id"], revision="a" * 40)
    assert good["changed"] and good["revision"] == "a" * 40
    assert not deploy(dokploy, made["compose_id"], revision="a" * 12)["changed"]
    other = deploy(dokploy, made["compose_id"], revision="b" * 40)
    assert other["failed"] and "not bbbbbbbbbbbb" in other["msg"]


def test_a_domain_whose_labels_the_server_left_out_is_told(dokploy, place, monkeypatch):
    monkeypatch.setattr(convert, "_label", lambda *_: None)
    text = "services:\n  web:\n    image: x\n    labels: {a: b}\n"
    made = dokploy.run("dokploy_compose", **{**place, "compose_file": text})
    dokploy.run("dokploy_domain", compose_id=made["compose_id"], domains=[DOMAIN])
    result = deploy(dokploy, made["compose_id"])
    assert result["failed"] and "has no label for it" in result["msg"]


def test_containers_on_another_server_are_asked_for_there(dokploy, service):
    dokploy.standin.store.composes[service]["serverId"] = "server-2"
    deploy(dokploy, service)
    asked = [query for _, procedure, query in dokploy.calls if procedure == "docker.getContainersByAppNameMatch"]
    assert asked and all(query["serverId"] == "server-2" for query in asked)


def test_stopped_and_started_again(dokploy, service):
    deploy(dokploy, service)
    assert deploy(dokploy, service, state="stopped")["changed"]
    again = deploy(dokploy, service, state="stopped")
    assert not again["changed"] and "diff" not in again
    assert "it is stopped" in deploy(dokploy, service)["reasons"]


# The server as a whole


def test_info_finds_and_warns(dokploy, service):
    found = dokploy.run("dokploy_info", project="crm", name="app", letsencrypt=True, gather=["place", "settings"])
    assert found["compose_id"] == service and found["requests"] == {"reads": 2, "writes": 0}
    assert statuses(found) == {
        "dokploy.transport": "pass",
        "dokploy.nightly_prune": "warn",
        "dokploy.acme_email": "warn",
    }
    assert dokploy.run("dokploy_info", gather=["version"])["version"] == "v0.30.2"


def statuses(result) -> dict[str, str]:
    return {gate["id"]: gate["status"] for gate in result["results"]}


def checks(dokploy, **options):
    return dokploy.run(
        "dokploy_info", project="crm", name="app", gather=["place", "checks"], secrets=SECRETS, **options
    )


def test_checks_pass_on_a_sound_deployment_and_change_nothing(dokploy, service):
    deploy(dokploy, service)
    checked = checks(dokploy, services=["web", "cache"])
    assert statuses(checked) == {
        "dokploy.containers": "pass",
        "dokploy.build_log": "pass",
        "dokploy.container_logs": "pass",
        "dokploy.image_secrets": "pass",
    }
    assert not checked["changed"] and dokploy.posts == []
    assert checked["app_name"].startswith("app-")


def test_checks_find_what_the_server_does_not_say(dokploy, service):
    deploy(dokploy, service)
    dokploy.engine.states["web"] = ("exited", "Exited (1) 2 minutes ago")
    dokploy.engine.logs = f"connecting with {SECRETS['DB_PASSWORD']}\n"
    dokploy.engine.image_variables = [f"DATABASE={SECRETS['DB_PASSWORD']}"]
    dokploy.standin.store.logs.update(dict.fromkeys(dokploy.standin.store.logs, "RUN echo it's a #1 $ecret\"\n"))
    checked = checks(dokploy)
    assert set(statuses(checked).values()) == {"fail"}
    assert all(value not in dokploy.output for value in SECRETS.values())


def test_checks_judge_each_image_by_its_own_limit(dokploy, service):
    deploy(dokploy, service)
    dokploy.engine.image_size = 2_000_000
    dokploy.engine.image_variables = [f"PATH=/bin:{SECRETS['DB_PASSWORD']}"]
    checked = checks(dokploy, max_image_size="1MB", max_image_sizes={"web": "3MB"})
    found = statuses(checked)
    assert (found["dokploy.image_size.web"], found["dokploy.image_size.cache"]) == ("pass", "fail")
    assert found["dokploy.image_secrets"] == "fail" and SECRETS["DB_PASSWORD"] not in dokploy.output
    assert checked["requests"]["writes"] == 0
    unlimited = checks(dokploy, max_image_size="1MB", max_image_sizes={"web": "", "cache": ""})
    assert not [name for name in statuses(unlimited) if name.startswith("dokploy.image_size")]
    assert "max_image_size: '1 stone'" in checks(dokploy, max_image_size="1 stone")["msg"]


def test_a_server_that_tells_of_no_images_leaves_them_unjudged(dokploy, service, monkeypatch):
    from ansible_collections.sluice.deploy.tests.standin_dokploy import procedures

    deploy(dokploy, service)
    monkeypatch.delitem(procedures.QUERIES, "dockerImage.getImageConfig")
    checked = checks(dokploy, max_image_size="1MB")
    (images,) = (result for result in checked["results"] if result["id"] == "dokploy.images")
    assert images["status"] == "skip" and "has no dockerImage.getImageConfig" in images["evidence"][0]


def test_checks_of_a_service_that_is_not_there(dokploy, place):
    result = checks(dokploy)
    assert result["failed"] and "no Compose service 'app' in environment 'production' of project 'crm'" in result["msg"]


def test_first_set_up_makes_a_key_that_lasts(dokploy):
    admin = {"admin_email": "ops@example.com", "admin_password": "a-long-password"}
    made = dokploy.run("dokploy_api_key", **admin)
    assert made["signed_up"] and "a-long-password" not in dokploy.output
    dokploy.key = made["key"]
    for _ in range(8):
        assert not dokploy.run("dokploy_info").get("failed")
    assert not dokploy.run("dokploy_api_key", **admin)["signed_up"]
    wrong = dokploy.run("dokploy_api_key", **{**admin, "admin_password": "another-password"})
    assert wrong["failed"] and "refused admin_email and admin_password" in wrong["msg"]


def test_a_sign_up_that_takes_too_long_to_answer_is_no_failure(dokploy, monkeypatch):
    """Without egress the real server looks for its own address for over a minute, the administrator made already."""
    from ansible_collections.sluice.deploy.plugins.module_utils.dokploy import bootstrap
    from ansible_collections.sluice.deploy.tests.standin_dokploy.server import Handler

    original = Handler._authenticate

    def slow(self, procedure, values):
        if procedure != "auth/sign-up/email":
            original(self, procedure, values)
            return
        self.standin.store.admin = {key: values[key] for key in ("email", "password")}
        time.sleep(0.5)
        self.close_connection = True

    monkeypatch.setattr(Handler, "_authenticate", slow)
    monkeypatch.setattr(bootstrap, "SIGN_UP_TIMEOUT", 0.1)
    made = dokploy.run("dokploy_api_key", admin_email="ops@example.com", admin_password="a-long-password")
    assert made["key"] in dokploy.standin.store.keys and not made["signed_up"]


def test_a_key_with_the_default_limit_dies_and_the_message_says_so(dokploy):
    dokploy.key = dokploy.standin.store.make_key(limited=True)
    for _ in range(5):
        assert not dokploy.run("dokploy_info", gather=["place"]).get("failed")
    result = dokploy.run("dokploy_info", gather=["place"])
    assert result["failed"] and "about five calls a day" in result["msg"] and "wrong" in result["msg"]
    assert dokploy.key not in dokploy.output


def test_a_missing_procedure_names_the_version(dokploy):
    dokploy.standin.unknown.add("settings.getWebServerSettings")
    result = dokploy.run("dokploy_info")
    assert result["failed"] and "v0.30.2" in result["msg"] and "settings.getWebServerSettings" in result["msg"]


def test_a_wrong_address_is_one_sentence(dokploy):
    result = dokploy.run("dokploy_info", url="http://127.0.0.1:1")
    assert result["failed"] and "cannot reach Dokploy at http://127.0.0.1:1" in result["msg"]
    assert dokploy.run("dokploy_info", url="dokploy.example.com")["msg"].startswith("url must look like")


# What a failure tells, and what it does not

PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nQyNTUxOQAAACDeploykey\n-----END OPENSSH PRIVATE KEY-----"
REFUSED = """Cloning into 'code'...
deploy@git.example.com: Permission denied (publickey).
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""


def test_a_failed_clone_tells_what_git_said_and_not_the_deploy_key(dokploy, place):
    del place["compose_file"]
    dokploy.standin.store.tables["ssh_keys"]["key"] = {"privateKey": PEM}
    source = {"git_url": "git@git.example.com:crm.git", "git_ssh_key_id": "key"}
    made = dokploy.run("dokploy_compose", **place, **source)
    dokploy.engine.clone_failure = REFUSED
    result = deploy(dokploy, made["compose_id"])
    said = "deploy@git.example.com: Permission denied (publickey).; fatal: Could not read from remote repository."
    assert f": {said}; look at git_url" in result["msg"]
    for part in ("PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU", "Deploykey", "id_rsa"):
        assert part not in dokploy.output


def test_a_path_that_the_repository_does_not_have_is_named(dokploy, place):
    del place["compose_file"]
    made = dokploy.run("dokploy_compose", **place, git_url="https://git.example.com/crm.git", git_path="./no.yml")
    result = deploy(dokploy, made["compose_id"])
    assert (
        "cannot take ./no.yml from branch main of https://git.example.com/crm.git: Services not found" in result["msg"]
    )


def test_a_private_key_in_a_build_log_is_in_no_output(dokploy, service):
    dokploy.engine.build_output = f"deploying with\n{PEM}\nand failing\n"
    dokploy.engine.exit_code = 1
    result = deploy(dokploy, service)
    assert result["failed"] and "and failing" in result["msg"]
    assert "Deploykey" not in dokploy.output


def test_the_first_run_on_a_new_server_makes_a_key(dokploy):
    who = {"admin_email": "ops@example.com", "admin_password": "long-enough"}
    first = dokploy.run("dokploy_api_key", **who)
    assert first["key"] and first["signed_up"]
    again = dokploy.run("dokploy_api_key", **who)
    assert again["key"] and not again["signed_up"]


def test_an_administrator_with_two_factors_is_told_so(dokploy):
    dokploy.standin.store.admin = {"email": "ops@example.com", "password": "long-enough", "two_factors": True}
    result = dokploy.run("dokploy_api_key", admin_email="ops@example.com", admin_password="long-enough")
    assert result["failed"] and "signs in with two factors" in result["msg"]
    assert "rate limit" not in result["msg"].replace("rate limiting off", "")


# Stacks beside each other

THREE = {
    "services": {
        "server": {"image": "example/server:1", "role": "web", "port": 3000, "health": {"path": "/healthz"}},
        "front": {"image": "example/front:1", "role": "web", "port": 3001, "health": {"path": "/healthz"}},
    },
    "routes": [{"path": "/", "service": "front"}, {"path": "/api", "service": "server"}],
}


def answers(dokploy, *, isolated: bool) -> dict[tuple[str, str], set[str]]:
    """Network and name to the stacks that answer to it there, for three stacks with the same services."""
    found: dict[tuple[str, str], set[str]] = {}
    for name in ("crm", "wiki", "crm-staging"):
        dokploy.run("dokploy_project", name=name)
        stack = {**THREE, "name": name, "domain": f"{name}.example.com"}
        made = dokploy.run("dokploy_compose", project=name, name="app", stack=stack, isolated=isolated)
        assert made["app_name"].startswith(f"{name}-"), made
        domains = [
            {"host": f"{name}.example.com", "path": "/", "service": "front", "port": 3001},
            {"host": f"{name}.example.com", "path": "/api", "service": "server", "port": 3000},
        ]
        dokploy.run("dokploy_domain", compose_id=made["compose_id"], domains=domains)
        text = dokploy.standin.procedures.call("compose.getConvertedCompose", {"composeId": made["compose_id"]})
        compose = yaml.safe_load(text)
        networks = compose.get("networks") or {}
        for service, row in compose["services"].items():
            for network in row.get("networks") or ["default"]:
                full = network if (networks.get(network) or {}).get("external") else f"{made['app_name']}_{network}"
                found.setdefault((full, service), set()).add(name)
    return found


def test_three_stacks_never_answer_for_each_other(dokploy):
    found = answers(dokploy, isolated=True)
    assert len(found) == 6 and all(len(stacks) == 1 for stacks in found.values()), found


def test_without_isolation_a_shared_network_is_asked_for(dokploy):
    assert len(answers(dokploy, isolated=False)["dokploy-network", "server"]) == 3


def test_an_app_name_that_the_server_would_refuse(dokploy, place):
    result = dokploy.run("dokploy_compose", **place, app_name="My App!")
    assert result["failed"] and "app_name 'My App!' cannot begin" in result["msg"] and dokploy.posts == []
    made = dokploy.run("dokploy_compose", **{**place, "name": "Mein Café & Co."})
    assert made["app_name"].startswith("mein-caf-co-")


def test_a_revision_that_is_not_the_head_is_refused_before_anything_is_deployed(dokploy, place, tmp_path, monkeypatch):
    repository = tmp_path / "repository"
    commands = ["init -q -b main .", "-c user.name=t -c user.email=t@example.com commit -q --allow-empty -m x"]
    repository.mkdir()
    for command in commands:
        subprocess.run(["git", *command.split()], cwd=repository, check=True)
    shown = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    # Git reads the address from the directory instead of from the network.
    for name, value in {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://git.example.com/crm.git",
    }.items():
        monkeypatch.setenv(name, value)
    del place["compose_file"]
    dokploy.engine.repository, dokploy.engine.commit = COMPOSE_FILE, shown.stdout.strip()
    made = dokploy.run("dokploy_compose", **place, git_url="https://git.example.com/crm.git", secrets=SECRETS)
    result = deploy(dokploy, made["compose_id"], revision="b" * 40)
    assert result["failed"] and f"which is {shown.stdout[:12]} and is what Dokploy" in result["msg"]
    assert dokploy.posts == []
    assert deploy(dokploy, made["compose_id"], revision=shown.stdout.strip()[:10])["changed"]


def test_a_new_services_diff_is_the_same_in_check_mode(dokploy, place):
    wanted = {**place, "secrets": SECRETS, "env": {"MODE": "plain"}}
    told = dokploy.run("dokploy_compose", **wanted, check=True)["diff"]
    assert dokploy.run("dokploy_compose", **wanted)["diff"] == told
