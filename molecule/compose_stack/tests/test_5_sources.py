"""Images from a registry and from builds: resolved before anything stops, the same when nothing changed."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest
import yaml
from conftest import PROJECT, STATE

testinfra_hosts = ["ssh://debian13"]

DOCKERFILE = """\
FROM local/sluice-demo-front:1 AS build
USER root
RUN --mount=type=secret,id=key test "$(wc -c < /run/secrets/key)" = {length} && echo {text} > /app/dist/built.txt
FROM local/sluice-demo-front:1
COPY --from=build /app/dist /app/dist
USER 1000:1000
"""


def front_in_use(host) -> str:
    current = json.loads(host.check_output(f"cat {STATE}/serving.json"))["current"]["release"]
    return yaml.safe_load(host.check_output(f"cat {STATE}/releases/{current}/compose.yml"))["services"]["front"][
        "image"
    ]


@pytest.fixture
def registry(host):
    """Debian's registry on the server, with two versions of the front."""
    host.check_output(
        "DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends docker-registry >/dev/null"
    )
    host.check_output(
        # Debian's asks for a password that nobody has been given.
        "sed -i '/^auth:/,/^    path:/d' /etc/docker/registry/config.yml && systemctl restart docker-registry && timeout 20 sh -c 'until ss -ltn | grep -q :5000; do sleep 0.2; done'"
    )
    for version in ("1", "2"):
        name = f"localhost:5000/front:{version}"
        host.check_output(
            f"docker tag local/sluice-demo-front:{version} {name} && docker push -q {name} >/dev/null && docker rmi {name}"
        )
    yield "localhost:5000/front"
    host.check_output(
        "systemctl stop docker-registry; docker image ls --format '{{.Repository}}:{{.Tag}}' | grep ^localhost:5000 | xargs -r docker rmi"
    )


def test_a_registry_s_tag_is_pinned_and_needed_no_more(host, play, whole, release_one, registry):
    play.well(demo_changes={"front": {"image": f"{registry}:1"}})
    first = front_in_use(host)
    assert first.startswith(f"{registry}:1@sha256:")
    play.well(demo_changes={"front": {"image": f"{registry}:2"}}, demo_version="2")
    assert front_in_use(host).startswith(f"{registry}:2@sha256:")
    whole("2")
    # Cut off, and cleaned up behind our back as by a nightly prune.
    host.check_output("systemctl stop docker-registry && docker image prune --force >/dev/null")
    played = play.well(compose_stack_state="rolled_back", demo_changes={"front": {"image": f"{registry}:2"}})
    print(f"rollback with the registry cut off: {played.seconds:.1f} s")
    assert front_in_use(host) == first
    whole("1")
    missing = play(demo_changes={"front": {"image": f"{registry}:3"}})
    assert missing.status != 0
    assert "localhost:5000/front:3 cannot be pulled" in missing.output
    whole("1")
    play.well()


def test_a_build_from_a_git_repository(host, play, whole, release_one):
    seed = (PROJECT / ".cache/compose_stack/seed").read_text().strip().split()[0]
    host.check_output("rm -rf /srv/source && git init --quiet --initial-branch main /srv/source")
    commit = "git -C /srv/source add -A && git -C /srv/source -c user.name=t -c user.email=t@t commit --quiet -m x"

    def write(text: str) -> None:
        content = DOCKERFILE.format(length=len(seed) + 2, text=text)
        host.check_output("printf %s > /srv/source/Dockerfile", content)
        host.check_output(commit)

    write("one")
    build = {"git": "/srv/source", "ref": "main", "secrets": {"key": "APP_SECRET"}, "write_dockerignore": True}
    settings = {"demo_changes": {"front": {"build": build, "image": None}}}
    play.well(**settings)
    colour = json.loads(host.check_output(f"cat {STATE}/serving.json"))["current"]["colour"]
    assert host.check_output(f"docker exec crm-{colour}-front cat /app/dist/built.txt") == "one"
    again = play.well(**settings)
    print(f"re-run with a build from Git, nothing to do: {again.seconds:.1f} s")
    assert "changed=0" in again.output
    write("two")
    play.well(**settings)
    colour = json.loads(host.check_output(f"cat {STATE}/serving.json"))["current"]["colour"]
    assert host.check_output(f"docker exec crm-{colour}-front cat /app/dist/built.txt") == "two"
    assert seed not in host.check_output("docker history --no-trunc sluice/crm-front:build")
    assert seed not in host.check_output(f"cat {STATE}/releases/*/build.log")
    whole("1")
    play.well()


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed here")
def test_hadolint_s_rules_count_where_it_is_installed(host, play, whole, release_one):
    ssh = [
        "ssh",
        "-F",
        PROJECT / ".cache/ssh/config",
        "debian13",
        "cat > /usr/local/bin/hadolint && chmod 755 /usr/local/bin/hadolint",
    ]
    subprocess.run(ssh, input=pathlib.Path(shutil.which("hadolint")).read_bytes(), check=True)
    host.check_output("mkdir -p /srv/trial && touch /srv/trial/.dockerignore")
    content = "FROM local/sluice-demo-front:1 AS a\nFROM a\nRUN cd /app\nUSER 1000\nENTRYPOINT node serve.js\n"
    host.check_output("printf %s > /srv/trial/Dockerfile", content)
    played = play(demo_changes={"front": {"build": {"context": "/srv/trial"}, "image": None}})
    host.check_output("rm /usr/local/bin/hadolint")
    assert played.status != 0
    assert "gate dockerfile.front failed" in played.output
    assert "DL3025" in played.output
    whole("1")
