# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.archive import read_archive, read_file
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.report import measure
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    blob_name,
    docker_archive,
    encoded,
    oci_archive,
    old_docker_archive,
    pieces,
    tar,
)

LOWER, UPPER = tar([("a", b"1" * 700), ("l", "target")]), tar([(".wh.a", b""), ("b", b"2" * 30)])
LAYERS = [LOWER, UPPER, LOWER]


def read(data):
    return read_archive(pieces(data, 4096), "archive x.tar")


@pytest.mark.parametrize("archive", [docker_archive(LAYERS), old_docker_archive(LAYERS)])
def test_what_docker_saves(archive):
    (image,) = read(archive)
    assert image.tags == ["app:1"]
    assert image.platform == "linux/amd64"
    assert [layer.size for layer in image.layers] == [706, 30, 706]
    assert image.unpacked == 1442
    assert image.compressed is None
    assert measure(image, "unpacked").survey.wasted == 700


def test_an_oci_layout_knows_both_sizes():
    (image,) = read(oci_archive([LOWER, UPPER]))
    assert image.tags == ["docker.io/library/app:1"]
    assert image.unpacked == 736
    assert image.compressed == len(gzip.compress(LOWER, mtime=0)) + len(gzip.compress(UPPER, mtime=0))


def test_an_oci_layout_for_several_platforms():
    images = read(oci_archive([LOWER], platforms=("amd64", "arm64")))
    assert [image.platform for image in images] == ["linux/amd64", "linux/arm64"]


def test_a_platform_that_was_not_pulled_is_passed_over():
    with tarfile.open(fileobj=io.BytesIO(oci_archive([LOWER, UPPER]))) as whole:
        members = [(member.name, whole.extractfile(member).read()) for member in whole]
    stored = blob_name(gzip.compress(UPPER, mtime=0))
    absent = tar([member for member in members if member[0] != stored])
    with pytest.raises(UserError, match="holds no image"):
        read(absent)


def test_the_manifest_names_one_platform_and_the_index_each():
    with tarfile.open(fileobj=io.BytesIO(oci_archive([LOWER], platforms=("amd64", "arm64")))) as whole:
        members = {member.name: whole.extractfile(member).read() for member in whole}
    config = next(name for name, data in members.items() if b'"amd64", "os"' in data and b"rootfs" in data)
    manifest = [{"Config": config, "RepoTags": ["app:1"], "Layers": [blob_name(gzip.compress(LOWER, mtime=0))]}]
    members["manifest.json"] = encoded(manifest)
    images = read(tar(members.items()))
    assert [(image.platform, image.unpacked) for image in images] == [("linux/amd64", 706), ("linux/arm64", 706)]


def test_an_archive_may_be_compressed_as_a_whole(tmp_path):
    path = tmp_path / "app.tar.gz"
    path.write_bytes(gzip.compress(docker_archive(LAYERS)))
    assert read_file(str(path))[0].unpacked == 1442


def test_an_empty_layer_is_a_layer():
    (image,) = read(docker_archive([bytes(1024), LOWER]))
    assert [layer.size for layer in image.layers] == [0, 706]


@pytest.mark.parametrize("length", [0, 1, 700, 2000, 12_000])
def test_an_archive_cut_short(length):
    whole = docker_archive(LAYERS)
    assert length < len(whole)
    with pytest.raises(UserError, match=r"archive x\.tar is cut short"):
        read(whole[:length])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"#!/bin/sh\n" * 200, "is not an image"),
        (tar([("etc/passwd", b"root")]), "holds no image"),
        (tar([("manifest.json", b"[]")]), "holds no image"),
        (tar([("manifest.json", b'[{"Config": "x", "Layers": ["y"]}]')]), "is incomplete"),
        (tar([("manifest.json", b'[{"Config": "x"}]'), ("x", b"{}")]), "is incomplete"),
        (tar([("manifest.json", b"[1]")]), "is damaged"),
        (tar([("index.json", b'{"manifests": {"a": 1}}')]), "is damaged"),
        (tar([("manifest.json", b"[broken")]), "holds no image"),
        (tar([("index.json", b'{"manifests": [{"digest": "sha256:0"}]}')]), "holds no image"),
    ],
)
def test_what_is_no_image_is_said_in_one_sentence(data, says):
    with pytest.raises(UserError, match=says):
        read(data)


def test_a_file_that_is_not_there():
    with pytest.raises(UserError, match="archive: cannot read /nowhere: No such file"):
        read_file("/nowhere")


def test_the_basis_that_cannot_be_told():
    (image,) = read(docker_archive(LAYERS))
    with pytest.raises(UserError, match="basis: the compressed size of app:1 cannot be told"):
        measure(image, "compressed")
