"""A second release under load, and what a release looks like on the server."""

from __future__ import annotations

import json

import pytest
import yaml
from load import Load

from ansible_collections.sluice.deploy.plugins.module_utils.stack import compose as render
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_ready_made_stacks import read

testinfra_hosts = ["ssh://debian13"]
STATE = "/var/lib/sluice/stacks/crm"


def test_the_rendered_file_is_one_that_compose_accepts(host, serving, standing):
    directory = f"{STATE}/releases/{serving()['current']['release']}"
    assert host.run(f"cd {directory} && docker compose config --quiet").rc == 0
    compose = yaml.safe_load(host.check_output(f"cat {directory}/compose.yml"))
    server = compose["services"]["server"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["security_opt"] == ["no-new-privileges:true"]
    assert server["image"].startswith("sluice/crm-server:")
    assert set(server["logging"]["options"]) == {"max-size", "max-file"}
    assert host.check_output(f"stat -c %a {directory}/compose.yml {directory}/secrets.yml {STATE}").split() == [
        "600",
        "600",
        "700",
    ]


@pytest.mark.parametrize(("name", "web"), [("twenty_story", {"server", "front"}), ("twenty_upstream", {"server"})])
def test_compose_accepts_the_ready_made_stacks(host, name, web):
    """Rendered here, read there: what each service must have, by the names of containers where they are fixed."""
    stack = parse_stack(read(f"{name}.yml", strategy="recreate"))
    images = {s.name: s.image or f"built/{s.name}" for s in stack.services.values()}
    release = render.release_compose(stack, images, "sluice-edge", True)
    data = render.data_compose(stack, images, True)
    services = {}
    for part in (release, data):
        for service in part["services"].values():
            # Compose looks for their files, and none is there.
            service.pop("secrets", None)
        part.pop("secrets", None)
        text = render.compose_text(part)
        said = host.check_output("printf %%s %s | docker compose --project-name x --file - config --format json", text)
        services |= {s["container_name"]: s for s in json.loads(said)["services"].values()}
    assert set(services) == {f"{stack.name}-{s}" for s in stack.services}
    for service in services.values():
        assert service["restart"] == "unless-stopped"
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service
        assert "private" in service["networks"]
    for service in web:
        assert services[f"{stack.name}-{service}"]["healthcheck"]["test"]
        assert "edge" in services[f"{stack.name}-{service}"]["networks"]


def test_nothing_is_published(host, standing):
    assert host.check_output("docker ps --format '{{.Ports}}' | grep -c '0.0.0.0' || true") == "0"


def test_a_second_run_changes_nothing(play, standing):
    played = play.well(demo_version=standing.here)
    assert "changed=0" in played.output


def test_a_release_under_load_loses_no_request(play, whole, address, standing):
    with Load(address) as stats:
        played = play.well(demo_version=standing.there, stack_drain=3)
    print(f"release of an image under load: {played.seconds:.1f} s; {stats}")
    assert stats.failures == []
    assert stats.versions[standing.here] > 20
    assert stats.versions[standing.there] > 20
    assert stats.events > 5
    assert stats.streams <= 2, "the stream was cut off by more than the end of its release"
    assert stats.echoes > 5
    whole(standing.there)


def test_a_rollback_under_load_loses_no_request_either(play, whole, address, standing):
    with Load(address) as stats:
        played = play.well(state="rollback", demo_version=standing.here, stack_drain=3)
    print(f"rollback under load: {played.seconds:.1f} s; {stats}")
    assert stats.failures == []
    assert stats.streams <= 2, "the stream was cut off by more than the end of its release"
    whole(standing.there)


def test_an_unknown_release_is_refused_with_those_that_are_there(play, whole, standing):
    played = play(state="rollback", compose_stack_release="ffff")
    assert played.status != 0
    assert "release 'ffff' is not on the server" in played.output
    assert "The releases on the server are:" in played.output
    whole(standing.here)


@pytest.mark.long
def test_an_edge_that_is_not_there_is_named(play, whole, standing):
    played = play(compose_stack_edge_switch=["/nowhere/switch"], demo_version=standing.there)
    assert played.status != 0
    assert "the edge's switch /nowhere/switch did not run" in played.output
    play.well(demo_version=standing.here)
    whole(standing.here)


def test_a_named_release_comes_back(play, whole, serving):
    """Neither the one that serves nor the one before it, and the hook after the switch runs for a release alone."""
    oldest = serving()["previous"]["release"]
    settings = {"demo_version": "2", "demo_changes": {"front": {"env": {"X": "1"}}}}
    hooks = {
        "stack_hooks": {"post_release": {"service": "server", "command": ["sh", "-c", "echo $APP_VERSION; exit 3"]}}
    }
    failed = play(**settings, **hooks)
    assert "failed at step post_release: the post-release hook ended with status 3" in failed.output
    play.well(**settings)
    play.well(state="rollback", compose_stack_release=oldest[:8], **settings)
    assert serving()["current"]["release"] == oldest


def test_fixed_names_for_those_who_want_them(play, host, served, standing):
    play.well(stack_strategy="recreate", demo_version=standing.there)
    names = set(host.check_output("docker ps --format '{{.Names}}'").split())
    assert names == {"crm-server", "crm-worker", "crm-front", "crm-postgres", "crm-redis"}
    assert served() == standing.there
    broken = play(stack_strategy="recreate", demo_version=standing.here, demo_break="crash")
    assert broken.status != 0
    assert served() == standing.there
