"""What a server or a service has beside its Compose file: made once, changed, shown without secrets, and removed.

`make dokploy-conformance` runs these tests on a real server, where those that look behind its API are skipped.
"""

from __future__ import annotations

import os

import pytest

from ansible_collections.sluice.deploy.tests.standin_dokploy.belongings import PRIVATE, PUBLIC

PLANTED = "planted-secret-value"
# Of all that is made, so that on a server of the user's nothing else is touched.
NAME = "sluice-trial"
BUCKET = {
    "name": NAME, "endpoint": "https://s3.example.com", "bucket": "b", "region": "r", "access_key": "a",
    "secret_key": PLANTED,
}  # fmt: skip
# Module, options, and one option that then changes.
CASES = {
    "key": ("ssh_key", {"name": NAME, "private_key": PRIVATE, "public_key": PUBLIC}, {"description": "d"}),
    "key of the server's": ("ssh_key", {"name": NAME}, {"description": "d"}),
    "registry": ("registry", {"name": NAME, "username": "u", "password": PLANTED}, {"image_prefix": "team"}),
    "destination": ("destination", BUCKET, {"region": "s"}),
    "slack": ("notification", {"name": NAME, "channel": "slack", "webhook_url": PLANTED}, {"events": ["deployed"]}),
    "discord": ("notification", {"name": NAME, "channel": "discord", "webhook_url": PLANTED}, {"events": []}),
    "custom": ("notification", {"name": NAME, "channel": "custom", "webhook_url": PLANTED}, {"events": []}),
    "telegram": ("notification", {"name": NAME, "channel": "telegram", "bot_token": PLANTED, "chat_id": "1"},
                 {"chat_id": "2"}),
    "email": (
        "notification",
        {"name": NAME, "channel": "email", "smtp_server": "m", "username": "u", "password": PLANTED,
         "from_address": "a@example.com", "to_addresses": ["b@example.com"]},
        {"smtp_port": 25},
    ),
    "mount": ("mount", {"file": "d/nginx.conf", "content": PLANTED}, {"content": PLANTED + "2"}),
    "schedule": ("schedule", {"name": NAME, "service": "web", "command": "true", "schedule": "0 * * * *"},
                 {"enabled": False}),
    "postgres": ("backup", {"destination": NAME, "service": "db", "database": "d", "username": "u"}, {"keep": 3}),
    "mysql": ("backup", {"destination": NAME, "service": "db", "database": "d", "database_type": "mysql",
                         "password": PLANTED}, {"password": PLANTED + "2"}),
    "volume": ("backup", {"destination": NAME, "volume": "data", "service": "web", "stop": True}, {"schedule": "1 1 * * *"}),
}  # fmt: skip
OF_A_SERVICE = ("mount", "schedule", "backup")


PLACE = {"project": NAME, "name": "app"}


@pytest.fixture
def service(dokploy):
    dokploy.run("dokploy_project", name=NAME)
    dokploy.run("dokploy_destination", **BUCKET)
    yield dokploy.run("dokploy_compose", **PLACE, compose_file="services: {web: {image: x}}\n")["compose_id"]
    dokploy.run("dokploy_compose", **PLACE, state="absent")
    dokploy.run("dokploy_project", name=NAME, state="absent")
    dokploy.run("dokploy_destination", name=NAME, state="absent")


def registry_that_lets_in() -> dict[str, str]:
    """Dokploy stores no registry that it cannot log in to; the stand-in lets all in."""
    names = {"address": "", "username": "_USERNAME", "password": "_PASSWORD"}
    given = {name: os.environ.get(f"DOKPLOY_REGISTRY{ending}", "") for name, ending in names.items()}
    return given if given["address"] else pytest.skip("DOKPLOY_REGISTRY names no registry to log in to")


@pytest.fixture
def removed(dokploy):
    """Removes, at the end, what a test made with a module."""
    modules: list[str] = []
    yield modules.append
    for module in modules:
        dokploy.run(module, name=NAME, state="absent")


@pytest.fixture(params=CASES)
def case(request, dokploy, service):
    kind, options, change = CASES[request.param]
    if request.param == "destination":
        options = {**options, "name": f"{NAME}-2"}
    if request.param == "registry" and dokploy.real:
        options = {**options, **registry_that_lets_in()}
    more = {"compose_id": service} if kind in OF_A_SERVICE else {}
    return f"dokploy_{kind}", {**options, **more}, change


def test_made_once_changed_once_and_removed_once(dokploy, case):
    module, options, change = case

    def run(**more):
        result = dokploy.run(module, **{**options, **more})
        assert not result.get("failed"), result
        assert options.get("password", PLANTED) not in dokploy.output and PLANTED not in dokploy.output
        assert dokploy.real or dokploy.writes == len(dokploy.posts)
        return result

    planned = run(check=True)
    assert planned["changed"] and planned["id"] is None and dokploy.writes == 0
    made = run()
    assert made["changed"] and made["id"] and made["diff"] == planned["diff"]
    assert not run()["changed"] and dokploy.writes == 0
    assert run(**change, check=True)["changed"] and dokploy.writes == 0
    changed = run(**change)
    assert changed["changed"] and changed["id"] == made["id"] and changed["diff"]["after"]
    assert not run(**change)["changed"] and dokploy.writes == 0
    assert run(state="absent", check=True)["changed"] and dokploy.writes == 0
    assert run(state="absent")["changed"] and dokploy.writes == 1
    gone = run(state="absent")
    assert not gone["changed"] and gone["id"] is None and dokploy.writes == 0


def test_two_of_one_name_are_an_error_with_both_ids(dokploy):
    ids = [
        dokploy.standin.procedures._add("registries", "registryId", {"registryName": "r"})["registryId"] for _ in "ab"
    ]
    result = dokploy.run("dokploy_registry", name="r", username="u", password=PLANTED)
    assert all(one in result["msg"] for one in ids) and dokploy.writes == 0


def test_the_server_makes_a_key_once(dokploy, removed):
    removed("dokploy_ssh_key")
    made = dokploy.run("dokploy_ssh_key", name=NAME)
    assert made["changed"] and made["public_key"].startswith("ssh-") and "PRIVATE KEY" not in dokploy.output
    again = dokploy.run("dokploy_ssh_key", name=NAME)
    assert not again["changed"] and again["public_key"] == made["public_key"] and dokploy.writes == 0
    other = PRIVATE.replace("Z2VuZXJhdGVk", "b3RoZXI=")
    refused = dokploy.run("dokploy_ssh_key", name=NAME, private_key=other, public_key=made["public_key"])
    assert "has another privateKey, which Dokploy cannot change" in refused["msg"] and dokploy.writes == 0


def test_a_registry_that_lets_nobody_in_is_told_without_the_command(dokploy):
    result = dokploy.run("dokploy_registry", name=NAME, address="127.0.0.1:1", username="u", password=PLANTED)
    assert "connect: connection refused" in result["msg"] and "printf" not in result["msg"]


def test_a_registry_that_refuses_a_change_is_asked_again_by_the_next_run(dokploy, removed):
    options = {"name": NAME, "username": "u", "password": PLANTED}
    if dokploy.real:
        options = {**options, **registry_that_lets_in()}
    removed("dokploy_registry")
    assert dokploy.run("dokploy_registry", **options)["changed"]
    for _ in "ab":
        refused = dokploy.run("dokploy_registry", **{**options, "address": "127.0.0.1:1"})
        assert "connection refused" in refused["msg"] and options["password"] not in dokploy.output
    assert dokploy.run("dokploy_registry", **options)["changed"] is False


def test_what_a_channel_lacks_is_named(dokploy):
    result = dokploy.run("dokploy_notification", name=NAME, channel="telegram", chat_id="1")
    assert "needs all of its options" in result["msg"] and "botToken" in result["msg"] and dokploy.writes == 0


def test_a_backup_wants_its_destination_and_its_password(dokploy, service):
    options = {"compose_id": service, "service": "db", "database": "d"}
    result = dokploy.run("dokploy_backup", **options, destination="none", username="u")
    assert "there is no destination 'none'" in result["msg"]
    result = dokploy.run("dokploy_backup", **options, destination=NAME, database_type="mariadb", username="u")
    assert "a mariadb database needs username, and its password" in result["msg"]


def test_a_volume_has_the_name_that_it_has_on_the_host(dokploy, service):
    dokploy.run("dokploy_backup", compose_id=service, destination=NAME, volume="data")
    (row,) = dokploy.standin.store.tables["volume_backups"].values()
    assert row["volumeName"] == f"{dokploy.standin.store.composes[service]['appName']}_data"


@pytest.mark.parametrize("kind", ["mount", "schedule", "postgres"])
def test_check_mode_has_no_service_yet(dokploy, service, kind):
    module, options, _ = CASES[kind]
    assert dokploy.run(f"dokploy_{module}", **options, compose_id="", check=True)["changed"]
    assert "compose_id is empty" in dokploy.run(f"dokploy_{module}", **options, compose_id="")["msg"]


def test_settings_are_set_where_they_differ(dokploy):
    wanted = {"docker_cleanup": False, "acme_email": "ops@example.org", "builds_concurrency": 2}
    planned = dokploy.run("dokploy_settings", **wanted, check=True)
    assert planned["changed"] and dokploy.writes == 0
    set_once = dokploy.run("dokploy_settings", **wanted)
    assert set_once["diff"] == planned["diff"] and set_once["diff"]["before"]["enableDockerCleanup"] is True
    assert dokploy.writes == 3
    assert not dokploy.run("dokploy_settings", **wanted)["changed"] and dokploy.writes == 0
    address = {"domain": "dokploy.example.org", "https": True}
    assert dokploy.run("dokploy_settings", **address)["changed"]
    # The server sets both at once, and the e-mail was not named again.
    assert not dokploy.run("dokploy_settings", **wanted, **address)["changed"]
    former = {"docker_cleanup": True, "acme_email": "", "builds_concurrency": 1, "domain": "", "https": False}
    assert dokploy.run("dokploy_settings", **former)["changed"]
    assert not dokploy.run("dokploy_settings", **former)["changed"]


@pytest.fixture
def far(dokploy):
    """Another server of Dokploy's, which does not answer."""
    key = dokploy.run("dokploy_ssh_key", name=NAME)["id"]
    where = {"ipAddress": "127.0.0.1", "port": 1, "username": "root", "serverType": "deploy"}
    made = dokploy.post("server.create", name=NAME, description="", sshKeyId=key, **where)
    yield made["serverId"]
    dokploy.post("server.remove", serverId=made["serverId"])
    dokploy.run("dokploy_ssh_key", name=NAME, state="absent")


def test_a_new_service_is_placed_on_another_server_and_stays_there(dokploy, service, far):
    options = {"project": NAME, "name": "far", "compose_file": "services: {web: {image: x}}\n"}
    assert dokploy.run("dokploy_compose", **options, server_id=far)["changed"]
    for named in ({"server_id": far}, {}):
        assert not dokploy.run("dokploy_compose", **options, **named)["changed"] and dokploy.writes == 0
    refused = dokploy.run("dokploy_compose", **options, server_id="s2")
    assert f"is on {far}, not on server_id s2" in refused["msg"] and dokploy.writes == 0
    assert dokploy.run("dokploy_compose", **options, state="absent")["changed"]


def test_a_server_that_dokploy_does_not_manage_is_named_beside_those_that_it_does(dokploy, service, far):
    options = {"project": NAME, "name": "far", "compose_file": "services: {web: {image: x}}\n"}
    refused = dokploy.run("dokploy_compose", **options, server_id="nowhere")
    assert "server_id nowhere is none of" in refused["msg"] and f"{far} ({NAME})" in refused["msg"]
    assert "api_key (401)" not in refused["msg"]


def test_a_project_that_holds_something_stays_where_only_an_empty_one_is_to_go(dokploy, service):
    kept = dokploy.run("dokploy_project", name=NAME, state="absent", only_empty=True)
    assert not kept["changed"] and kept["project_id"] and dokploy.writes == 0
    dokploy.run("dokploy_compose", **PLACE, state="absent")
    assert dokploy.run("dokploy_project", name=NAME, state="absent", only_empty=True)["changed"]


def test_check_mode_says_that_changes_are_pending(dokploy, service):
    assert dokploy.standin, "whose engine runs any image"
    dokploy.run("dokploy_deployment", compose_id=service, health_timeout=1)
    due = dokploy.run("dokploy_deployment", compose_id=service, pending=True, check=True)
    assert due["reasons"] == ["source, environment or domains would change"]
