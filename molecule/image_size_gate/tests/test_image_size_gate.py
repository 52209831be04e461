"""What the gate says about real images, held against the engine's own words and against plain sums."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tarfile

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(PROJECT / ".collections"))

from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (  # noqa: E402
    plain_waste,
)

testinfra_hosts = ["ssh://debian13"]
CONTAINERD = "unix:///run/gate-engine.sock"


def statuses(result):
    return {item["id"]: item["status"] for item in result["results"]}


def test_the_limit_itself_passes_and_one_byte_more_fails(gate):
    images = ["local/gate-below", "local/gate-at", "local/gate-above"]
    result = gate(images=images, max_size="1MB", analysis="never")
    assert [image["size"] for image in result["images"]] == [999_999, 1_000_000, 1_000_001]
    assert [statuses(result)[f"image_size.gate-{name}"] for name in ("below", "at", "above")] == [
        "pass",
        "pass",
        "fail",
    ]
    assert result["failed"]
    assert result["msg"].startswith("image_size.gate-above: 1000001 B, limit 1000000 B")


def test_sizes_are_those_that_the_engine_shows(host, gate):
    names = ["at", "wasted", "leaky", "layers"]
    for analysis in ("always", "never"):
        images = gate(images=[f"local/gate-{name}" for name in names], analysis=analysis, fail_on=[])["images"]
        for name, image in zip(names, images):
            facts = json.loads(host.check_output(f"docker image inspect local/gate-{name}"))[0]
            lines = host.check_output(
                f"docker history --no-trunc --human=false --format '{{{{.Size}}}}' local/gate-{name}"
            )
            shown = [int(line) for line in reversed(lines.splitlines()) if line != "0"]
            assert image["size"] == facts["Size"], (name, analysis)
            assert [layer["size"] for layer in image["layers"] if layer["size"]] == shown, (name, analysis)
            assert len(image["layers"]) == len(facts["RootFS"]["Layers"]), (name, analysis)


def test_the_containerd_store_gives_the_same_figures(host, gate):
    names = ["local/gate-above", "local/gate-layers", "local/gate-wasted"]
    info = json.loads(host.check_output(f"docker --host {CONTAINERD} info --format '{{{{json .}}}}'"))
    assert ["driver-type", "io.containerd.snapshotter.v1"] in info["DriverStatus"]
    here = gate(images=names, fail_on=[])["images"]
    there = gate(images=names, fail_on=[], docker_host=CONTAINERD)["images"]
    # The first engine built the link of this image itself, and leaves its target out of its own figure.
    link = len("/data")
    assert [image["size"] for image in there] == [here[0]["size"], here[1]["size"], here[2]["size"] + link]
    for one, other in zip(here, there):
        assert one["wasted"] == other["wasted"]
        assert one["largest_files"] == other["largest_files"]


@pytest.fixture
def act(host, run_module):
    """A module that releases, over the engine with the containerd store; answers its result."""

    def run(module: str, max_size: str = "1GB") -> dict:
        work = {"image": "local/work:1", "command": ["sleep", "infinity"], "health": {"command": ["true"]}}
        stack = {"name": "work", "services": {"work": {**work, "max_size": max_size}}}
        options = {"stack": stack, "root": "/srv/gate/stacks"}
        return run_module(f"sluice.deploy.{module}", options, there={"DOCKER_HOST": CONTAINERD})

    yield run
    host.check_output(
        f"export DOCKER_HOST={CONTAINERD}; docker ps --all --quiet --filter name=work- | xargs --no-run-if-empty docker"
        " rm --force; rm -rf /srv/gate/stacks"
    )


@pytest.mark.long
def test_a_release_over_the_containerd_store_is_judged_alike_and_comes_back_when_its_tag_has_moved(host, gate, act):
    host.check_output(f"docker --host {CONTAINERD} tag local/gate-wasted local/work:1")
    refused = act("stack_release", max_size="1MB")
    (told,) = (r for r in refused["gates"] if r["id"] == "image_size.work")
    wanted = {"name": "work", "image": "local/work:1", "max_size": "1MB"}
    (judged,) = (
        r for r in gate(images=[wanted], docker_host=CONTAINERD, fail_on=[])["results"] if r["id"] == "image_size.work"
    )
    assert (told["status"], told["measured"], told["limit"]) == ("fail", judged["measured"], judged["limit"]), refused
    assert told["evidence"] == judged["evidence"]
    assert not host.check_output(f"docker --host {CONTAINERD} ps --quiet --filter name=work-")

    first = act("stack_release")
    assert first.get("changed"), first
    host.check_output(
        f"cd /srv/gate/build && printf 'FROM local/gate-wasted\\nCOPY below /second\\n' | DOCKER_HOST={CONTAINERD}"
        " BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker buildx build --quiet --load --tag local/work:1 --file - ."
    )
    second = act("stack_release")
    assert second.get("changed") and second["release"] != first["release"], second
    host.check_output(f"docker --host {CONTAINERD} exec work-{second['colour']}-work ls /second")
    host.check_output(
        f"docker --host {CONTAINERD} rmi local/gate-wasted && docker --host {CONTAINERD} image prune --force"
    )
    back = act("stack_rollback")
    assert back.get("release") == first["release"], back
    assert host.run(f"docker --host {CONTAINERD} exec work-{back['colour']}-work ls /second").rc == 2
    # What the other trials look at is there again.
    host.check_output(f"docker save local/gate-wasted | docker --host {CONTAINERD} load --quiet")


def test_waste_is_what_a_plain_sum_over_docker_save_says(host, gate, tmp_path):
    saved = tmp_path / "saved.tar"
    command = ["tools/server", "ssh", "debian13", "docker", "save", "local/gate-wasted"]
    with saved.open("wb") as file:
        subprocess.run(command, cwd=PROJECT, stdout=file, check=True)
    with tarfile.open(saved) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))
        layers = [archive.extractfile(name).read() for name in manifest["Layers"]]
    wasted, visible = plain_waste(layers)
    (image,) = gate(images=["local/gate-wasted"], max_wasted=wasted)["images"]
    assert image["wasted"]["bytes"] == wasted
    assert sum(layer["wasted"] for layer in image["layers"]) == wasted
    # Twice the deleted file, both files in the place of the replaced one, and both copies of the kept one.
    made_here = 2 * 300_000 + 200_000 + 250_000 + 2 * 90_000
    assert wasted >= made_here
    assert visible > 0
    why = {(item["path"], item["why"]) for item in image["wasted"]["largest"]}
    assert {("/data/deleted", "deleted"), ("/tree/a/b/deleted", "deleted")} <= why
    assert ("/data/kept", "copied") in why
    result = gate(images=["local/gate-wasted"], max_wasted=wasted - 1)
    assert statuses(result)["image_wasted.gate-wasted"] == "fail"


def test_leftovers_secrets_and_root_are_named_and_no_value_shows(gate):
    result = gate(images=["local/gate-leaky"])
    (image,) = result["images"]
    assert statuses(result)["image_secret_names.gate-leaky"] == "fail"
    assert statuses(result)["image_root.gate-leaky"] == "warn"
    assert {(item["name"], item["place"]) for item in image["secrets"]} == {
        ("APP_SECRET", "ENV"),
        ("NPM_TOKEN", "ARG"),
    }
    kinds = {item["kind"]: item["bytes"] for item in image["leftovers"]}
    assert kinds["apt"] >= 3_000_000
    assert kinds["git"] == 2_000_000
    assert image["advice"][0]["saves"] >= image["advice"][1]["saves"]
    assert "rm -rf /var/lib/apt/lists" in image["advice"][0]["change"]
    assert "synthetic" not in json.dumps(result)


def test_120_layers_each_with_its_instruction(gate):
    result = gate(images=["local/gate-layers"], max_layers=120)
    assert statuses(result)["image_layers.gate-layers"] == "pass"
    layers = result["images"][0]["layers"]
    assert [layer["instruction"] for layer in layers] == [f"COPY part{n} /part{n}" for n in range(1, 121)]
    assert statuses(gate(images=["local/gate-layers"], max_layers=119))["image_layers.gate-layers"] == "fail"


def test_an_image_of_2_gb(gate):
    result = gate(images=["local/gate-huge"], max_size="2GB")
    assert statuses(result)["image_size.gate-huge"] == "pass"
    assert result["images"][0]["largest_files"] == [{"path": "/huge", "size": 2_000_000_000, "layer": 1}]


def test_growth_from_an_image_and_from_what_runs(gate):
    grown = {"image": "local/gate-above", "reference": "local/gate-at"}
    assert statuses(gate(images=[grown], max_growth="1B"))["image_growth.gate-above"] == "pass"
    assert statuses(gate(images=[grown], max_growth=0))["image_growth.gate-above"] == "fail"

    running = {"reference_project": "gate-running", "analysis": "never", "fail_on": ["growth"]}
    result = gate(images=["local/sluice-base:trixie", "local/gate-at"], max_growth=0, **running)
    assert statuses(result)["image_growth.sluice-base"] == "pass"
    assert statuses(result)["image_growth.gate-at"] == "skip"


def test_the_images_of_a_compose_project(gate):
    result = gate(project="gate-running", max_size="1GB", analysis="never")
    assert [(image["name"], image["tags"]) for image in result["images"]] == [("web", ["local/sluice-base:trixie"])]


def test_an_engine_behind_tls(gate):
    certificates = {"ca_path": "ca.pem", "client_cert": "cert.pem", "client_key": "key.pem"}
    options = {key: f"/srv/gate/{name}" for key, name in certificates.items()}
    result = gate(images=["local/gate-above"], docker_host="tcp://127.0.0.1:2376", tls=True, **options)
    assert result["images"][0]["size"] == 1_000_001


def test_a_registry_before_anything_is_pulled(host, gate):
    login = {
        "source": "registry",
        "ca_path": "/srv/gate/ca.pem",
        "registry_username": "me",
        "registry_password": host.check_output("cat /srv/gate/password"),
    }
    both = ["127.0.0.1:5443/team/both:1.0"]
    images = gate(images=both, platform="all", basis="compressed", analysis="never", **login)["images"]
    assert sorted(image["platform"] for image in images) == ["linux/amd64", "linux/arm64"]
    assert all(image["size"] > 1_000_000 and image["size_unpacked"] is None for image in images)

    (image,) = gate(images=both, **login)["images"]
    assert (image["platform"], image["size"]) == ("linux/amd64", 1_000_000)
    assert [item["path"] for item in image["largest_files"]] == ["/file-for-amd64"]

    result = gate(images=["127.0.0.1:5443/team/both:1.1"], **login)
    assert "has no 127.0.0.1:5443/team/both:1.1; near tags: 1.0" in result["msg"]
    # Docker's own login counts where none is given.
    nameless = {**login, "registry_username": None}
    (image,) = gate(images=both, **nameless)["images"]
    assert image["size"] == 1_000_000
    host.check_output("docker logout 127.0.0.1:5443")
    assert "wants a login" in gate(images=both, **nameless)["msg"]
    host.check_output("docker login -u me --password-stdin 127.0.0.1:5443 < /srv/gate/password")
    assert "refuses this login" in gate(images=both, **{**login, "registry_password": "wrong"})["msg"]
    assert "is not trusted; set ca_path" in gate(images=both, **{**login, "ca_path": None})["msg"]


def test_each_platform_of_an_image_in_the_containerd_store(gate):
    both = ["127.0.0.1:5443/team/both:1.0"]
    images = gate(images=both, platform="all", docker_host=CONTAINERD, fail_on=[])["images"]
    assert sorted((image["platform"], image["size"]) for image in images) == [
        ("linux/amd64", 1_000_000),
        ("linux/arm64", 1_000_000),
    ]


def test_archives_on_disk(gate):
    engine = gate(images=["local/gate-wasted"], fail_on=[])["images"][0]
    saved = gate(archive="/srv/gate/wasted.tar", fail_on=[])["images"][0]
    assert saved["wasted"] == engine["wasted"]
    zstd = gate(archive="/srv/gate/zstd.tar")["images"][0]
    assert zstd["size"] == 1_000_000
    assert zstd["size_compressed"] > 1_000_000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"images": ["local/gate-abov"]}, "has no image 'local/gate-abov'; near names: local/gate-above"),
        ({"images": ["a"], "docker_host": "unix:///nowhere.sock"}, "no engine answers at unix:///nowhere.sock"),
        ({"images": ["a"], "docker_host": "tcp://127.0.0.1:9"}, "no engine answers at tcp://127.0.0.1:9"),
        ({"images": ["a"], "user": "nobody"}, "permission denied on unix:///var/run/docker.sock"),
        ({"images": ["a"], "server": "debian12"}, "install python3-docker"),
        ({"images": ["a"], "max_size": "5Mbit"}, "max_size: '5Mbit' has the unknown unit"),
        ({"images": ["a"], "max_size": "0"}, "max_size: 0 bytes would fail every image"),
        ({"images": ["a"], "basis": "compressed"}, "cannot tell the compressed size"),
        ({"project": "gate-runing"}, "neither containers nor images of 'gate-runing' (did you mean 'gate-running'?)"),
        ({"archive": "/srv/gate/cut.tar"}, "archive /srv/gate/cut.tar is cut short"),
        ({"archive": "/bin/bash"}, "archive /bin/bash is not an image"),
        ({"archive": "/srv/gate/none.tar"}, "cannot read /srv/gate/none.tar: No such file or directory"),
    ],
)
def test_bad_input_is_one_clear_message(gate, options, says):
    result = gate(**options)
    assert result["failed"], result
    assert says in result["msg"], result
    assert "Traceback" not in json.dumps(result)
