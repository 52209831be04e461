"""A registry with a password and an authority of its own: a release is pulled with the settings, and refused without."""

from __future__ import annotations

import json
import pathlib

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
testinfra_hosts = ["ssh://debian13"]
IMAGE = "registry:5000/team/fleet"
AUTHORITY = "/etc/docker/certs.d/registry:5000/ca.crt"


@pytest.fixture
def site(play_over):
    """Run parts of site.yml for one stack; the password is in nothing it prints."""
    play, one = play_over(PROJECT / "molecule/fleet/inventory"), ("-vvv", "--diff", "--limit", "wiki", "--tags")
    return lambda *tags, **variables: play("site", *one, ",".join(tags), **variables)


@pytest.mark.long
def test_a_release_is_pulled_with_the_login_and_refused_without(host, site):
    assert host.check_output(f"stat -c '%a %U' {AUTHORITY}") == "644 root"
    for version in ("1", "2"):
        host.check_output(f"docker tag local/sluice-fleet:{version} {IMAGE}:{version}")
        host.check_output(f"docker push --quiet {IMAGE}:{version}")
        host.check_output(f"docker rmi {IMAGE}:{version}")
    assert "planted" not in host.check_output(
        "cat /root/.docker/config.json; journalctl --no-pager --quiet | grep 'planted registry' || true"
    )
    try:
        done = site("compose_stack", app_image=IMAGE, app_version="2")
        assert done.returncode == 0, done.stdout
        assert IMAGE in host.check_output(
            "docker ps --format '{{.Image}}' --filter name=wiki-; docker images --format '{{.Repository}}'"
        )
        built = f"printf 'FROM {IMAGE}:1\\n' | docker buildx build --quiet --load --tag built:1 -"
        host.check_output(built)
        gone = site("docker_host", docker_host_registries={}, _site_first_on_machine=True)
        assert gone.returncode == 0, gone.stdout
        assert host.run("ls /etc/sluice/registry-logins.json").rc != 0
        assert host.run(f"ls -d {AUTHORITY.rpartition('/')[0]}").rc != 0
        assert json.loads(host.check_output("cat /root/.docker/config.json")) == {}
        refused = site("compose_stack", app_image=IMAGE, app_version="1")
        assert refused.returncode == 2, refused.stdout
        assert "stack_services.web.image: registry:5000/team/fleet:1 cannot be pulled" in refused.stdout
        assert "docker_host_registries" in refused.stdout
    finally:
        host.run("docker rmi built:1")
        restored = site("docker_host", "compose_stack", _site_first_on_machine=True)
        assert restored.returncode == 0, restored.stdout
