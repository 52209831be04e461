"""A data service alone, which nobody visits: from site.yml to its end, beside stacks that the edge serves."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
testinfra_hosts = ["ssh://debian13"]
STACK = {
    "stack_name": "broker",
    "stack_domain": "",
    "stack_routes": [],
    "stack_services": {
        "broker": {
            "image": "local/sluice-fleet:{{ app_version }}",
            "stateful": True,
            "port": 8080,
            "publish": [{"port": 8080, "published": 18080, "address": "127.0.0.1"}],
            "volumes": ["data:/data"],
            "health": {"path": "/healthz", "command": ["healthcheck"], "interval": "1s", "retries": 5},
        }
    },
    "stack_secrets": {},
}


@pytest.fixture
def play(tmp_path, play_over):
    """Run a playbook for this stack, on the machine of another."""
    run = play_over(PROJECT / "molecule/fleet/inventory")
    given = {**STACK, "verify_report_directory": str(tmp_path)}
    return lambda name, **variables: run(name, "--limit", "wiki", **{**given, **variables})


def said(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_data_service_alone_is_released_verified_and_removed(host, play):
    answer = "curl --silent --show-error http://127.0.0.1:18080/"
    edge = "readlink /etc/sluice/edge/conf/current || true"
    before = host.check_output(edge)
    try:
        told = said(play("site"))
        assert "1" in host.check_output(answer)
        assert "the stack has no domain" in told
        assert not re.search(r"TASK \[sluice.deploy.nginx_certbot.*\]\n(changed|ok): \[wiki\]", told)
        again = said(play("site"))
        assert re.search(r"wiki +: ok=\d+ +changed=0 ", again), again
        assert host.check_output(answer) == '{"version":"1"}'
        # Its container takes the place of the one before it.
        said(play("site", app_version="2"))
        assert host.check_output(answer) == '{"version":"2"}'
        failed = play("site", app_version="broken")
        assert failed.returncode == 2, failed.stdout
        assert host.check_output(answer) == '{"version":"2"}'
        said(play("restart"))
        said(play("stop"))
        assert host.run(answer).rc != 0
        said(play("start"))
        assert host.check_output(answer) == '{"version":"2"}'
    finally:
        gone = play("remove", compose_stack_remove_data="broker")
    said(gone)
    assert host.check_output("docker ps --all --quiet --filter name=broker-") == ""
    assert host.check_output(edge) == before
