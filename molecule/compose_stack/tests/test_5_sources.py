"""Images from a registry and from builds: resolved before anything stops, the same when nothing changed."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import uuid

import pytest
import yaml
from conftest import PROJECT, STATE

testinfra_hosts = ["ssh://debian13"]

DOCKERFILE = """\
FROM local/sluice-demo-front:1 AS build
USER root
RUN --mount=type=secret,id=key test "$(wc -c < /run/secrets/key)" = {length} && echo {text} > /app/dist/built.txt
USER 1000:1000
FROM local/sluice-demo-front:1
COPY --from=build /app/dist /app/dist
USER 1000:1000
"""


@pytest.fixture
def front_in_use(host, serving):
    """The reference under which the serving release names the front's image."""

    def reference() -> str:
        release = serving()["current"]["release"]
        compose = yaml.safe_load(host.check_output(f"cat {STATE}/releases/{release}/compose.yml"))
        return compose["services"]["front"]["image"]

    return reference


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


def test_an_image_too_large_for_the_engine_s_disk(host, play, whole, standing, registry):
    """The engine keeps what it fetches in a directory that a small file system covers."""
    host.check_output(
        "head -c 4000000 /dev/urandom > /root/bulk && tar -C /root -c bulk | docker import - localhost:5000/front:big"
        " && docker push -q localhost:5000/front:big && docker rmi localhost:5000/front:big && rm /root/bulk"
    )
    host.check_output("mount -t tmpfs -o size=1m tmpfs /var/lib/docker/tmp")
    try:
        played = play(demo_changes={"front": {"image": f"{registry}:big"}}, demo_version=standing.here)
    finally:
        host.check_output("umount /var/lib/docker/tmp")
    assert played.status != 0
    for text in ("failed at step images", "front:big cannot be pulled", "no space left on device", "serves as before"):
        assert text in played.output
    whole(standing.here)


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed here")
def test_hadolint_s_rules_count_where_it_is_installed(host, play, whole, standing):
    ssh = [
        PROJECT / "tools/server",
        "ssh",
        "debian13",
        "cat > /usr/local/bin/hadolint && chmod 755 /usr/local/bin/hadolint",
    ]
    subprocess.run(ssh, input=pathlib.Path(shutil.which("hadolint")).read_bytes(), check=True)
    host.check_output("mkdir -p /srv/trial && touch /srv/trial/.dockerignore")
    content = "FROM local/sluice-demo-front:1 AS a\nFROM a\nRUN cd /app\nUSER 1000\nENTRYPOINT node serve.js\n"
    host.check_output("printf %s > /srv/trial/Dockerfile", content)
    played = play(
        demo_changes={"front": {"build": {"context": "/srv/trial"}, "image": None}}, demo_version=standing.here
    )
    host.check_output("rm /usr/local/bin/hadolint")
    assert played.status != 0
    assert "gate dockerfile.front failed" in played.output
    assert "DL3025" in played.output
    whole(standing.here)


def test_a_registry_s_tag_is_pinned_and_needed_no_more(host, play, whole, serving, front_in_use, standing, registry):
    play.well(demo_changes={"front": {"image": f"{registry}:1"}}, demo_version=standing.there)
    first = front_in_use()
    assert re.fullmatch(r"sluice/[a-z]+-front:[0-9a-f]{12}", first)
    newer = {"demo_changes": {"front": {"image": f"{registry}:2"}}, "demo_version": standing.here}
    play.well(**newer)
    assert front_in_use() != first
    # Cut off, and cleaned up behind our back as by a nightly prune.
    host.check_output("systemctl stop docker-registry && docker image prune --force >/dev/null")
    played = play.well(state="rollback", **newer)
    print(f"rollback with the registry cut off: {played.seconds:.1f} s")
    assert front_in_use() == first
    whole(standing.there)

    missing = play(demo_changes={"front": {"image": f"{registry}:3"}}, demo_version=standing.here)
    assert missing.status != 0
    assert "localhost:5000/front:3 cannot be pulled" in missing.output
    whole(standing.there)

    before = serving()["previous"]["release"]
    image = json.loads(host.check_output(f"cat {STATE}/releases/{before}/release.json"))["images"]["server"]
    host.check_output(f"docker save --output /root/kept.tar local/sluice-demo-server:{standing.here}")
    host.check_output("docker rm $(docker ps --all --quiet --filter status=exited) && docker rmi --force %s", image)
    gone = play(state="rollback", **newer)
    host.check_output("docker load --quiet --input /root/kept.tar && rm /root/kept.tar")
    assert gone.status != 0
    assert f"the images of release {before} are gone from the server (server, worker)" in gone.output
    whole(standing.there)


@pytest.fixture
def built_here():
    """An image of the engine that the controller has, a megabyte larger than one that the server holds as well."""
    name = f"local/sluice-carried:{uuid.uuid4().hex[:8]}"

    def build() -> str:
        dockerfile = (
            "FROM local/sluice-demo-front:1\nUSER root\nRUN head -c 1000000 /dev/urandom > /more\nUSER 1000:1000\n"
        )
        argv = ["docker", "build", "--quiet", "--no-cache", "--tag", name, "-"]
        subprocess.run(argv, input=dockerfile, text=True, check=True, capture_output=True)
        return name

    yield build
    subprocess.run(["docker", "image", "rm", "--force", name], check=True, capture_output=True)


def test_an_image_of_the_controller_comes_without_a_registry(
    host, play, whole, front_in_use, standing, built_here, run_module
):
    name = built_here()
    carried = {"demo_changes": {"front": {"image": name, "pull": "controller"}}, "demo_version": standing.here}
    rehearsed = play.well("--check", **carried)
    assert f"Carry {name}." in rehearsed.output
    assert host.run("docker image inspect %s", name).rc != 0
    play.well(**carried)
    inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", name]
    identity = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip()
    assert host.check_output("docker image inspect --format '{{.Id}}' %s", front_in_use()) == identity
    whole(standing.here)
    assert "changed=0" in play.well(**carried).output

    built_here()
    again = run_module("sluice.deploy.stack_images", {"images": [name]})
    assert again["carried"] == [name]
    assert 1_000_000 < again["sent"] < 1_100_000
    missing = play(**{**carried, "demo_changes": {"front": {"image": "local/sluice-nowhere:1", "pull": "controller"}}})
    assert missing.status != 0
    assert "local/sluice-nowhere:1 cannot be had from the controller's engine" in missing.output
    whole(standing.here)


def test_an_image_is_built_on_the_controller(host, play, whole, serving, standing, run_module, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seed = (PROJECT / ".cache/compose_stack/seed").read_text().strip().split()[0]
    (tmp_path / ".dockerignore").touch()
    build = {"context": str(tmp_path), "secrets": {"key": "APP_SECRET"}, "builder": "default"}
    front = {"build": build, "image": None, "pull": "controller"}

    def write(text: str) -> None:
        (tmp_path / "Dockerfile").write_text(DOCKERFILE.format(length=len(seed) + 2, text=text))

    write("here")
    play.well(demo_changes={"front": front}, demo_version=standing.here)
    assert (
        host.check_output(f"docker exec crm-{serving()['current']['colour']}-front cat /app/dist/built.txt") == "here"
    )
    assert seed not in (tmp_path / "cache/sluice/stacks/crm/front.log").read_text()
    whole(standing.here)

    alone = {"name": "crm", "services": {"front": {"build": build, "pull": "controller", "role": "worker"}}}
    wanted = {"stack": alone, "secrets": {"APP_SECRET": f"{seed}xx"}}
    assert run_module("sluice.deploy.stack_images", wanted)["carried"] == []
    # What the builder has from an earlier run of these trials would say nothing.
    write(f"{uuid.uuid4().hex} && base64 /run/secrets/key >&2 && echo x")
    refused = run_module("sluice.deploy.stack_images", wanted)
    assert refused["failed"] and "log_secrets.build.front" in refused["msg"]
    subprocess.run(["docker", "image", "rm", "--force", "sluice/crm-front:build"], check=True, capture_output=True)


def test_a_build_from_a_git_repository(host, play, whole, serving, standing):
    seed = (PROJECT / ".cache/compose_stack/seed").read_text().strip().split()[0]
    host.check_output("rm -rf /srv/source && git init --quiet --initial-branch main /srv/source")
    commit = "git -C /srv/source add -A && git -C /srv/source -c user.name=t -c user.email=t@t commit --quiet -m x"

    def write(text: str) -> None:
        content = DOCKERFILE.format(length=len(seed) + 2, text=text)
        host.check_output("printf %s > /srv/source/Dockerfile", content)
        host.check_output(commit)

    write("one")
    build = {"git": "/srv/source", "ref": "main", "secrets": {"key": "APP_SECRET"}, "write_dockerignore": True}
    settings = {"demo_changes": {"front": {"build": build, "image": None}}, "demo_version": standing.here}

    def built() -> str:
        return host.check_output(f"docker exec crm-{serving()['current']['colour']}-front cat /app/dist/built.txt")

    play.well(**settings)
    assert built() == "one"
    again = play.well(**settings)
    print(f"re-run with a build from Git, nothing to do: {again.seconds:.1f} s")
    assert "changed=0" in again.output
    write("two")
    play.well(**settings)
    assert built() == "two"
    assert seed not in host.check_output("docker history --no-trunc sluice/crm-front:build")
    assert seed not in host.check_output(f"cat {STATE}/releases/*/build.log")
    whole(standing.here)


def test_old_releases_and_their_images_are_gone(host, serving, standing):
    kept = set(host.check_output(f"ls {STATE}/releases").split())
    records = [json.loads(line) for line in host.check_output(f"cat {STATE}/releases.jsonl").splitlines()]
    succeeded = {r["release"] for r in records if r["outcome"] == "succeeded"}
    assert len(succeeded) > 5, "too few releases to tell"
    assert len(kept) == 5
    assert {release["release"] for release in serving().values()} <= kept <= succeeded
    needed = set()
    for release in kept:
        needed |= set(json.loads(host.check_output(f"cat {STATE}/releases/{release}/release.json"))["keep"].values())
    tags = set(host.check_output("docker image ls --format '{{.Repository}}:{{.Tag}}' 'sluice/crm-*'").split())
    data = {tag for tag in tags if tag.startswith(("sluice/crm-postgres:", "sluice/crm-redis:"))}
    assert {tag for tag in tags - data if not tag.endswith(":build")} == needed
