"""What a server or a service has beside its Compose file: made once, changed, shown without secrets, and removed."""

from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.tests.standin_dokploy.belongings import PRIVATE, PUBLIC

PLANTED = "planted-secret-value"
BUCKET = {
    "name": "b", "endpoint": "https://s3.example.com", "bucket": "b", "region": "r", "access_key": "a",
    "secret_key": PLANTED,
}  # fmt: skip
# Module, options, and one option that then changes.
CASES = {
    "key": ("ssh_key", {"name": "k", "private_key": PRIVATE, "public_key": PUBLIC}, {"description": "d"}),
    "key of the server's": ("ssh_key", {"name": "k"}, {"description": "d"}),
    "registry": ("registry", {"name": "r", "username": "u", "password": PLANTED}, {"password": PLANTED + "2"}),
    "destination": ("destination", BUCKET, {"region": "s"}),
    "slack": ("notification", {"name": "n", "channel": "slack", "webhook_url": PLANTED}, {"events": ["deployed"]}),
    "discord": ("notification", {"name": "n", "channel": "discord", "webhook_url": PLANTED}, {"events": []}),
    "custom": ("notification", {"name": "n", "channel": "custom", "webhook_url": PLANTED}, {"events": []}),
    "telegram": ("notification", {"name": "n", "channel": "telegram", "bot_token": PLANTED, "chat_id": "1"},
                 {"chat_id": "2"}),
    "email": (
        "notification",
        {"name": "n", "channel": "email", "smtp_server": "m", "username": "u", "password": PLANTED,
         "from_address": "a@example.com", "to_addresses": ["b@example.com"]},
        {"smtp_port": 25},
    ),
    "mount": ("mount", {"file": "d/nginx.conf", "content": PLANTED}, {"content": PLANTED + "2"}),
    "schedule": ("schedule", {"name": "s", "service": "web", "command": "true", "schedule": "0 * * * *"},
                 {"enabled": False}),
    "postgres": ("backup", {"destination": "b", "service": "db", "database": "d", "username": "u"}, {"keep": 3}),
    "mysql": ("backup", {"destination": "b", "service": "db", "database": "d", "database_type": "mysql",
                         "password": PLANTED}, {"password": PLANTED + "2"}),
    "volume": ("backup", {"destination": "b", "volume": "data", "service": "web", "stop": True}, {"schedule": "1 1 * * *"}),
}  # fmt: skip
OF_A_SERVICE = ("mount", "schedule", "backup")


@pytest.fixture
def service(dokploy):
    dokploy.run("dokploy_project", name="crm")
    dokploy.run("dokploy_destination", **BUCKET)
    text = "services: {web: {image: x}}\n"
    return dokploy.run("dokploy_compose", project="crm", name="app", compose_file=text)["compose_id"]


@pytest.fixture(params=CASES)
def case(request, service):
    kind, options, change = CASES[request.param]
    if request.param == "destination":
        options = {**options, "name": "another"}
    more = {"compose_id": service} if kind in OF_A_SERVICE else {}
    return f"dokploy_{kind}", {**options, **more}, change


def test_made_once_changed_once_and_removed_once(dokploy, case):
    module, options, change = case

    def run(**more):
        result = dokploy.run(module, **{**options, **more})
        assert not result.get("failed"), result
        assert PLANTED not in dokploy.output
        return result

    planned = run(check=True)
    assert planned["changed"] and planned["id"] is None and dokploy.posts == []
    made = run()
    assert made["changed"] and made["id"] and made["diff"] == planned["diff"]
    assert not run()["changed"] and dokploy.posts == []
    assert run(**change, check=True)["changed"] and dokploy.posts == []
    changed = run(**change)
    assert changed["changed"] and changed["id"] == made["id"] and changed["diff"]["after"]
    assert not run(**change)["changed"] and dokploy.posts == []
    assert run(state="absent", check=True)["changed"] and dokploy.posts == []
    assert run(state="absent")["changed"] and len(dokploy.posts) == 1
    gone = run(state="absent")
    assert not gone["changed"] and gone["id"] is None and dokploy.posts == []


def test_two_of_one_name_are_an_error_with_both_ids(dokploy):
    ids = [
        dokploy.standin.procedures._add("registries", "registryId", {"registryName": "r"})["registryId"] for _ in "ab"
    ]
    result = dokploy.run("dokploy_registry", name="r", username="u", password=PLANTED)
    assert all(one in result["msg"] for one in ids) and dokploy.posts == []


def test_the_server_makes_a_key_once(dokploy):
    made = dokploy.run("dokploy_ssh_key", name="k")
    assert made["changed"] and made["public_key"] == PUBLIC and "PRIVATE KEY" not in dokploy.output
    again = dokploy.run("dokploy_ssh_key", name="k")
    assert not again["changed"] and again["public_key"] == PUBLIC and dokploy.posts == []
    other = PRIVATE.replace("Z2VuZXJhdGVk", "b3RoZXI=")
    refused = dokploy.run("dokploy_ssh_key", name="k", private_key=other, public_key=PUBLIC)
    assert "has another privateKey, which Dokploy cannot change" in refused["msg"] and dokploy.posts == []


def test_a_registry_that_lets_nobody_in_is_told_without_the_command(dokploy):
    result = dokploy.run("dokploy_registry", name="r", address="127.0.0.1:1", username="u", password=PLANTED)
    assert "connect: connection refused" in result["msg"] and "printf" not in result["msg"]


def test_a_registry_that_refuses_a_change_is_asked_again_by_the_next_run(dokploy):
    options = {"name": "r", "username": "u", "password": PLANTED}
    dokploy.run("dokploy_registry", **options)
    for _ in "ab":
        refused = dokploy.run("dokploy_registry", **{**options, "address": "127.0.0.1:1"})
        assert "connection refused" in refused["msg"] and PLANTED not in dokploy.output
    assert dokploy.run("dokploy_registry", **options)["changed"] is False


def test_what_a_channel_lacks_is_named(dokploy):
    result = dokploy.run("dokploy_notification", name="n", channel="telegram", chat_id="1")
    assert "needs all of its options" in result["msg"] and "botToken" in result["msg"] and dokploy.posts == []


def test_a_backup_wants_its_destination_and_its_password(dokploy, service):
    options = {"compose_id": service, "service": "db", "database": "d"}
    result = dokploy.run("dokploy_backup", **options, destination="none", username="u")
    assert "there is no destination 'none'" in result["msg"]
    result = dokploy.run("dokploy_backup", **options, destination="b", database_type="mariadb", username="u")
    assert "a mariadb database needs username, and its password" in result["msg"]


def test_a_volume_has_the_name_that_it_has_on_the_host(dokploy, service):
    dokploy.run("dokploy_backup", compose_id=service, destination="b", volume="data")
    (row,) = dokploy.standin.store.tables["volume_backups"].values()
    assert row["volumeName"] == f"{dokploy.standin.store.composes[service]['appName']}_data"


@pytest.mark.parametrize("kind", ["mount", "schedule", "postgres"])
def test_check_mode_has_no_service_yet(dokploy, service, kind):
    module, options, _ = CASES[kind]
    assert dokploy.run(f"dokploy_{module}", **options, compose_id="", check=True)["changed"]
    assert "compose_id is empty" in dokploy.run(f"dokploy_{module}", **options, compose_id="")["msg"]


def test_settings_are_set_where_they_differ(dokploy):
    wanted = {"docker_cleanup": False, "acme_email": "ops@example.org", "builds_concurrency": 2}
    assert dokploy.run("dokploy_settings", **wanted, check=True)["changed"] and dokploy.posts == []
    set_once = dokploy.run("dokploy_settings", **wanted)
    assert set_once["diff"]["before"]["enableDockerCleanup"] is True
    assert len(dokploy.posts) == 3
    assert not dokploy.run("dokploy_settings", **wanted)["changed"] and dokploy.posts == []
    assert dokploy.run("dokploy_settings", domain="dokploy.example.org", https=True)["changed"]
    assert dokploy.standin.store.settings["letsEncryptEmail"] == "ops@example.org"


def test_a_new_service_runs_on_another_server_and_stays_there(dokploy, service):
    options = {"project": "crm", "name": "far", "compose_file": "services: {web: {image: x}}\n"}
    made = dokploy.run("dokploy_compose", **options, server_id="s1")
    assert dokploy.standin.store.composes[made["compose_id"]]["serverId"] == "s1"
    assert not dokploy.run("dokploy_compose", **options, server_id="s1")["changed"]
    refused = dokploy.run("dokploy_compose", **options, server_id="s2")
    assert "is on s1, not on server_id s2" in refused["msg"] and dokploy.posts == []


def test_a_project_that_holds_something_stays_where_only_an_empty_one_is_to_go(dokploy, service):
    kept = dokploy.run("dokploy_project", name="crm", state="absent", only_empty=True)
    assert not kept["changed"] and kept["project_id"] and dokploy.posts == []
    dokploy.run("dokploy_compose", project="crm", name="app", state="absent")
    assert dokploy.run("dokploy_project", name="crm", state="absent", only_empty=True)["changed"]


def test_check_mode_says_that_changes_are_pending(dokploy, service):
    dokploy.run("dokploy_deployment", compose_id=service, health_timeout=1)
    due = dokploy.run("dokploy_deployment", compose_id=service, pending=True, check=True)
    assert due["reasons"] == ["source, environment or domains would change"]
