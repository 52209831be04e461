# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.archive import read_archive, read_file
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.report import measure
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    blob_name,
    digest,
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


ODD = [None, 1, "x", [1], [None], [{}], {}, {"digest": 1}, [{"digest": "sha256:x"}], [[]], float("nan")]
OCI_PARTS = ("manifests", "layers", "config")


def oci_with(**parts):
    """An OCI layout of one image, with parts of its index or manifest replaced."""
    paper = encoded({"config": {}})
    manifest = encoded({"config": {"digest": digest(paper)}, "layers": [], **parts})
    index = encoded({"manifests": [{"digest": digest(manifest)}], **parts})
    return tar([(blob_name(paper), paper), (blob_name(manifest), manifest), ("index.json", index)])


def index_that_names_itself():
    name = "sha256:" + "a" * 64
    index = encoded({"manifests": [{"digest": name}]})
    return tar([("blobs/sha256/" + "a" * 64, index), ("index.json", index)])


def nested_indexes(depth):
    """An index with so many indexes below it, one in the other; the lowest is empty."""
    members, inner = [], encoded({"manifests": []})
    for _level in range(depth):
        members.append((blob_name(inner), inner))
        inner = encoded({"manifests": [{"digest": digest(inner)}] * 2})
    return tar([*members, ("index.json", inner)])


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
        (tar([("manifest.json", b'[{"Config": "x"}]'), ("x", b"{}")]), "no list of texts"),
        (tar([("manifest.json", b"[1]")]), "is damaged"),
        (tar([("index.json", b'{"manifests": {"a": 1}}')]), "is damaged"),
        (tar([("manifest.json", b"[broken")]), "is damaged"),
        (tar([("index.json", b'{"manifests": [{"digest": "sha256:0"}]}')]), "without a digest"),
        (index_that_names_itself(), "is not what its digest says"),
        (nested_indexes(4), "nests indexes deeper than 4"),
        (nested_indexes(3), "holds no image"),
        (tar([("manifest.json", b"[" * 100_000)]), "is damaged"),
        (tar([("manifest.json", b"[" + b"{}," * 250_000 + b"{}]")]), "more manifests and configurations"),
        *(
            (oci_with(**{part: odd}), "is damaged|holds no image")
            for part in OCI_PARTS
            for odd in ODD
            if (part, odd) != ("layers", None)
        ),
        (docker_archive([LOWER], history=[1]), "no list of objects"),
        (docker_archive([LOWER], history=[{"created_by": ["x"]}]), "no text"),
        (docker_archive([LOWER], env=[1]), "no list of texts"),
        (docker_archive([LOWER], user=0), "has a User that is no text"),
        (docker_archive([LOWER]).replace(b"amd64", b"arm64"), "is not what its digest says"),
        (docker_archive([LOWER]).replace(b"1111", b"2222"), "layer, sha256:[0-9a-f]{12}, that is not what its digest"),
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


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from([digest(b"{}"), blob_name(b"{}")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["manifests", "digest", "layers", "config", "Config", "Layers"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(index=JSON, manifest=JSON, paper=JSON)
def test_odd_papers_end_in_a_sentence_or_an_image(index, manifest, paper):
    paper, members = encoded(paper), []
    members.append((blob_name(paper), paper))
    members.append(("manifest.json", encoded([{"Config": blob_name(paper), "Layers": []}, manifest])))
    members += [("index.json", encoded({"manifests": [{"digest": digest(paper)}, index]})), (blob_name(b"{}"), b"{}")]
    with suppress(UserError):
        for image in read(tar(members)):
            measure(image, "unpacked")


@settings(max_examples=60)
@given(at=st.integers(0, 10_000), value=st.binary(min_size=1, max_size=8))
def test_damage_ends_in_a_sentence_or_an_image(at, value):
    whole = oci_archive([LOWER, UPPER])
    with suppress(UserError):
        read(whole[:at] + value + whole[at + len(value) :])


def test_lists_of_what_is_in_an_image_count_for_nothing():
    listed = b'{\n "_type": "https://in-toto.io/Statement/v1", "x": [' + b"0," * 450_000 + b"0]}"
    with tarfile.open(fileobj=io.BytesIO(docker_archive(LAYERS))) as whole:
        members = [(member.name, whole.extractfile(member).read()) for member in whole]
    assert read(tar([(blob_name(listed), listed), *members]))[0].unpacked == 1442
