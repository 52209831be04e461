# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.engine import ImageEngine, connect, engine_error
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    docker_archive,
    oci_archive,
    pieces,
    tar,
)

docker = pytest.importorskip("docker", reason="the engine client needs the Docker SDK")

LAYERS = [tar([("a", b"1" * 700), ("l", "target")]), bytes(1024)]
CLASSIC = {"DriverStatus": [["Backing Filesystem", "extfs"]]}
CONTAINERD = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
HISTORY = [
    {"CreatedBy": 'CMD ["app"]', "Size": 0},
    {"CreatedBy": "RUN /bin/sh -c true # buildkit", "Size": 0},
    {"CreatedBy": "ENV A=b", "Size": 0},
    {"CreatedBy": "COPY . . # buildkit", "Size": 700},
]


class Api:
    """What the SDK's client answers, for one image."""

    def __init__(self, info=CLASSIC, archive=None, history=HISTORY, containers=()):
        self._info, self._archive, self._history, self._containers = info, archive, history, containers
        self.saved = 0

    def info(self):
        return self._info

    def inspect_image(self, name):
        if name != "app:1":
            raise docker.errors.ImageNotFound("no such image")
        facts = {"Id": "sha256:1d", "RepoTags": ["app:1"], "Os": "linux", "Architecture": "amd64", "Size": 700}
        return {**facts, "RootFS": {"Layers": ["x", "y"]}, "Config": {"Env": ["A=b"], "User": "1000"}}

    def images(self, filters=None):
        return [] if filters else [{"RepoTags": ["app:1", "api:2"]}, {"RepoTags": None}]

    def history(self, id):
        return self._history

    def get_image(self, id, chunk_size):
        self.saved += 1
        return pieces(self._archive)

    def containers(self, all=False, filters=None):
        wanted = filters["label"].partition("=")[2]
        label = "com.docker.compose.project"
        return [item for item in self._containers if wanted in ("", item["Labels"][label])]


def saved():
    told = [
        {"created_by": "COPY . . # buildkit"},
        {"created_by": "ENV A=b", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c true # buildkit"},
        {"created_by": 'CMD ["app"]', "empty_layer": True},
    ]
    return docker_archive(LAYERS, history=told)


def test_the_size_alone_needs_no_stream():
    api = Api()
    (image,) = ImageEngine(api, "here").load("app:1", "", False)
    assert api.saved == 0
    assert image.unpacked == 700
    assert [layer.size for layer in image.layers] == [700, 0]
    assert [step["empty_layer"] for step in image.config["history"]] == [False, True, False, True]


def test_a_classic_store_keeps_the_sizes_that_it_shows():
    (image,) = ImageEngine(Api(archive=saved()), "here").load("app:1", "", True)
    assert [layer.size for layer in image.layers] == [700, 0]
    assert image.layers[0].index.size == 706
    assert image.id == "sha256:1d"


def test_the_containerd_store_is_measured_from_the_files():
    api = Api(CONTAINERD, archive=saved())
    (image,) = ImageEngine(api, "here").load("app:1", "", False)
    assert api.saved == 1
    assert image.unpacked == 706


def test_the_platform_asked_for_or_each():
    engine = ImageEngine(Api(CONTAINERD, archive=oci_archive(LAYERS, ("amd64", "arm64"))), "here")
    assert [image.platform for image in engine.load("app:1", "", True)] == ["linux/amd64"]
    assert [image.platform for image in engine.load("app:1", "linux/arm64", True)] == ["linux/arm64"]
    assert len(engine.load("app:1", "all", True)) == 2
    with pytest.raises(UserError, match="not there for linux/s390x, only for linux/amd64, linux/arm64"):
        engine.load("app:1", "linux/s390x", True)


@pytest.mark.parametrize(
    ("history", "settings", "says"),
    [
        ([{"CreatedBy": "RUN x"}], {}, "has a step of history without a size"),
        ([{"CreatedBy": 1, "Size": 0}], {}, "or that is no text"),
        ([None], {}, "has steps of history that are no list of objects"),
        (HISTORY, {"Env": "A=b"}, "has an Env that is no list of texts"),
        (HISTORY, {"User": 1}, "has a User that is no text"),
        (HISTORY, ["x"], "has settings that are no object"),
    ],
)
def test_an_engine_that_tells_something_odd_ends_in_a_sentence(history, settings, says):
    api = Api(history=history)
    inspected = api.inspect_image
    api.inspect_image = lambda name: {**inspected(name), "Config": settings}
    with pytest.raises(UserError, match=f"images: what the engine at here tells of app:1 {says}|{says}"):
        ImageEngine(api, "here").load("app:1", "", False)


def test_a_history_without_layers_still_adds_up():
    squashed = [{"CreatedBy": "", "Size": 300}, {"CreatedBy": "COPY x", "Size": 0}, {"CreatedBy": "RUN y", "Size": 0}]
    (image,) = ImageEngine(Api(history=squashed), "here").load("app:1", "", False)
    assert image.unpacked == 300
    assert len(image.layers) == 2


def test_an_unknown_image_is_answered_with_near_names():
    with pytest.raises(UserError, match="the engine at here has no image 'ap:1'; near names: app:1, api:2"):
        ImageEngine(Api(), "here").load("ap:1", "", False)


def test_the_services_of_a_project():
    def container(project, service, image):
        labels = {"com.docker.compose.project": project, "com.docker.compose.service": service}
        return {"Labels": labels, "Image": image, "ImageID": f"sha256:{image}", "Id": "c" * 64}

    containers = [container("crm", "server", "s"), container("crm", "front", "f"), container("shop", "web", "w")]
    engine = ImageEngine(Api(containers=containers), "here")
    assert engine.project_images("crm") == {"server": "sha256:s", "front": "sha256:f"}
    assert engine.project_images("blog") == {}
    assert engine.projects() == ["crm", "shop"]
    assert engine.running("shop") == [("w", "sha256:w")]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "permission denied on here; run with"),
        ("('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))", "no engine answers at here"),
        ("[Errno 111] Connection refused", "no engine answers at here"),
        ("('Connection aborted.', RemoteDisconnected('Remote end closed'))", "no engine answers at here"),
        ("Read timed out. (read timeout=60)", "did not answer in time"),
        ("Install paramiko package to enable ssh:// support", "needs paramiko"),
        ("500 Server Error:\nsomething", "the engine at here failed: 500 Server Error: something"),
    ],
)
def test_the_engines_errors_become_one_sentence(error, says):
    text = str(engine_error(docker.errors.DockerException(error), "here"))
    assert text.startswith("docker_host: ")
    assert says in text
    assert "\n" not in text


def test_an_engine_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no engine answers at unix://"):
        connect({"docker_host": f"unix://{tmp_path}/docker.sock", "timeout": 2})


def test_a_missing_sdk_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "docker", None)
    with pytest.raises(UserError, match="install python3-docker"):
        connect({})
