"""What a server holds of an image, told by an engine that answers as Docker's does."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.docker import layers
from ansible_collections.sluice.deploy.plugins.module_utils.errors import DockerError

A, B, C = ("sha256:" + letter * 64 for letter in "abc")


CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]


def image(identity: str, *held: str, **more: Any) -> dict[str, Any]:
    told = {"Id": identity, "Created": "2026-01-01T00:00:00.1Z", "Architecture": "amd64", "RootFS": {"Layers": [*held]}}
    return {**told, **more}


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """By name, what the engine says of its images."""
    images: dict[str, dict[str, Any]] = {}
    status = CONTAINERD if getattr(request, "param", "") == "containerd" else None

    class Api:
        def __init__(self, host: str) -> None:
            assert host == "unix:///x"

        def get(self, path: str, *names: str) -> Any:
            if path == "/version":
                return {"Arch": "amd64"}
            if path == "/info":
                return {"DriverStatus": status}
            if path == "/images/json":
                return [{"Id": told["Id"]} for told in images.values()]
            for name, told in images.items():
                if names[0] in (name, told["Id"]):
                    return told
            raise DockerError("No such image")

    monkeypatch.setattr(layers, "DockerApi", Api)
    return images


def test_a_chain_id_is_what_the_specification_says() -> None:
    assert list(layers.chain([A, B])) == [A, "sha256:" + hashlib.sha256(f"{A} {B}".encode()).hexdigest()]
    assert not list(layers.chain([]))


def test_a_layer_counts_only_on_what_it_lies_on(engine: dict[str, dict[str, Any]]) -> None:
    engine["base:1"] = image("sha256:1", A, B)
    held = layers.Holdings("unix:///x")
    assert [held.known(wanted) for wanted in ([A, B, C], [A, C], [B, A], [C], [])] == [2, 1, 0, 0, 0]


@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_a_store_that_takes_images_whole_alone_is_told_no_layers(engine: dict[str, dict[str, Any]]) -> None:
    engine["base:1"] = image("sha256:1", A, B)
    held = layers.Holdings("unix:///x")
    assert not held.takes_parts and held.known([A, B]) == 0


@pytest.mark.parametrize(
    ("there", "holds"),
    [
        (image("sha256:1", A, B), True),
        # The same image in a store of another kind.
        (image("sha256:2", A, B), True),
        (image("sha256:2", A, B, Created="2026-01-01T00:00:00.2Z"), False),
        (image("sha256:2", A, C), False),
    ],
)
def test_the_very_image_is_known_whatever_the_store(
    engine: dict[str, dict[str, Any]], there: dict[str, Any], holds: bool
) -> None:
    engine["shop:1"] = there
    held = layers.Holdings("unix:///x")
    assert held.holds({"reference": "shop:1", **image("sha256:1", A, B)}) is holds
    assert not held.holds({"reference": "shop:2", **image("sha256:1", A, B)})
