# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layers and archives made in memory, and plain ways to compute what the gate computes cleverly."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.bytestream import ByteStream
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.layer import read_layer

DIRECTORY = object()


def tar(members, format=tarfile.GNU_FORMAT):
    """A tar archive of (path, content); content is bytes, a link target as str, or DIRECTORY."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for path, content in members:
            info = tarfile.TarInfo(path)
            if content is DIRECTORY:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def pieces(data, size=1000):
    return (data[start : start + size] for start in range(0, len(data), size))


def layer(members):
    return read_layer(ByteStream([tar(members)]))


def image_config(layers, env=(), user="", history=None):
    lines = history or [{"created_by": f"RUN step {number}"} for number in range(1, len(layers) + 1)]
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": list(env), "User": user},
        "history": lines,
        "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]},
    }


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob_name(data):
    return "blobs/" + digest(data).replace(":", "/")


def encoded(paper):
    return json.dumps(paper).encode()


def docker_archive(layers, tags=("app:1",), **config):
    """As an engine of version 25 or later saves an image: blobs, and a manifest behind them."""
    paper = encoded(image_config(layers, **config))
    blobs = sorted((blob_name(data), data) for data in {*layers, paper})
    manifest = [{"Config": blob_name(paper), "RepoTags": list(tags), "Layers": [blob_name(x) for x in layers]}]
    return tar([*blobs, ("manifest.json", encoded(manifest))])


def old_docker_archive(layers):
    """As engines before 25 saved an image; the second of two equal layers is a link to the first."""
    paper = encoded(image_config(layers))
    members, names, first = [], [], {}
    for number, data in enumerate(layers):
        name = f"{number:064x}/layer.tar"
        names.append(name)
        members.append((name, f"../{first[data]}" if data in first else data))
        first.setdefault(data, name)
    manifest = [{"Config": "c0ffee.json", "RepoTags": ["app:1"], "Layers": names}]
    return tar([*members, ("c0ffee.json", paper), ("manifest.json", encoded(manifest))])


def oci_archive(layers, platforms=("amd64",), name="docker.io/library/app:1"):
    """An OCI layout with gzip layers, one manifest a platform, and an attestation that is no image."""
    stored = {gzip.compress(data, mtime=0): data for data in layers}
    blobs, manifests = dict.fromkeys(stored), []
    for architecture in platforms:
        config = encoded({**image_config(layers), "architecture": architecture})
        manifest = encoded(
            {
                "schemaVersion": 2,
                "config": {"digest": digest(config)},
                "layers": [{"digest": digest(data), "size": len(data)} for data in stored],
            }
        )
        blobs |= dict.fromkeys((config, manifest))
        manifests.append({"digest": digest(manifest), "platform": {"os": "linux", "architecture": architecture}})
    attestation = {"digest": digest(b"{}"), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    nested = encoded({"schemaVersion": 2, "manifests": [*manifests, attestation]})
    blobs |= dict.fromkeys((nested, b"{}"))
    index = {"manifests": [{"digest": digest(nested), "annotations": {"io.containerd.image.name": name}}]}
    return tar([*((blob_name(data), data) for data in blobs), ("index.json", encoded(index))])


def plain_waste(layers):
    """Hidden and visible bytes, by laying the layers over each other in a dictionary."""
    seen, wasted = {}, 0
    for data in layers:
        own = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                wasted += _hide(member, seen, own)
        seen.update(own)
    return wasted, sum(seen.values())


def _hide(member, seen, own):
    """What a member hides of the layers below, taken out of what is seen; notes what it adds."""
    path = "/" + member.name
    parent, _slash, name = path.rpartition("/")
    if name == ".wh..wh..opq":
        gone = [old for old in seen if old == parent or old.startswith(parent + "/")]
    elif name.startswith(".wh."):
        target = f"{parent}/{name[4:]}"
        gone = [old for old in seen if old == target or old.startswith(target + "/")]
    elif member.isdir():
        gone = [path] if path in seen else []
    else:
        gone = [old for old in seen if old == path or old.startswith(path + "/")]
        own[path] = member.size
    return sum(seen.pop(old) for old in gone)
