"""A second release under load, and what a release looks like on the server."""

from __future__ import annotations

import json

import yaml
from load import Load

testinfra_hosts = ["ssh://debian13"]
STATE = "/var/lib/sluice/stacks/crm"


def test_the_rendered_file_is_one_that_compose_accepts(host, release_one):
    current = json.loads(host.check_output(f"cat {STATE}/serving.json"))["current"]["release"]
    directory = f"{STATE}/releases/{current}"
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


def test_nothing_is_published(host, release_one):
    assert host.check_output("docker ps --format '{{.Ports}}' | grep -c '0.0.0.0' || true") == "0"


def test_a_second_run_changes_nothing(play, release_one):
    played = play.well()
    assert "changed=0" in played.output


def test_a_release_under_load_loses_no_request(play, whole, served, address, release_one):
    with Load(address) as stats:
        played = play.well(demo_version="2")
    print(f"release of an image under load: {played.seconds:.1f} s; {stats}")
    assert stats.failures == []
    assert stats.versions["1"] > 20
    assert stats.versions["2"] > 20
    assert stats.events > 5
    whole("2")


def test_a_rollback_under_load_loses_no_request_either(play, whole, address):
    with Load(address) as stats:
        played = play.well(compose_stack_state="rolled_back", demo_version="2")
    print(f"rollback under load: {played.seconds:.1f} s; {stats}")
    assert stats.failures == []
    whole("1")


def test_a_named_release_comes_back(host, play, whole):
    play.well(demo_version="2", demo_changes={"front": {"env": {"X": "1"}}})
    records = [json.loads(line) for line in host.check_output(f"cat {STATE}/releases.jsonl").splitlines()]
    oldest = next(r["release"] for r in reversed(records) if r["images"]["server"]["reference"].endswith(":1"))
    play.well(compose_stack_state="rolled_back", compose_stack_release=oldest[:8], demo_version="2")
    whole("1")


def test_an_unknown_release_is_refused_with_those_that_are_there(play, whole, release_one):
    played = play(compose_stack_state="rolled_back", compose_stack_release="ffff")
    assert played.status != 0
    assert "release 'ffff' is not on the server" in played.output
    assert "The releases on the server are:" in played.output
    whole("1")


def test_fixed_names_for_those_who_want_them(play, host, served):
    play.well(stack_strategy="recreate", demo_version="2")
    names = set(host.check_output("docker ps --format '{{.Names}}'").split())
    assert names == {"crm-server", "crm-worker", "crm-front", "crm-postgres", "crm-redis"}
    assert served() == "2"
    broken = play(stack_strategy="recreate", demo_version="1", demo_break="crash")
    assert broken.status != 0
    assert served() == "2"
    play.well()
    assert served() == "1"


def test_an_edge_that_is_not_there_is_named(play, whole, release_one):
    played = play(compose_stack_edge_switch=["/nowhere/switch"], demo_version="2")
    assert played.status != 0
    assert "the edge's switch /nowhere/switch did not run" in played.output
    play.well()
    whole("1")
