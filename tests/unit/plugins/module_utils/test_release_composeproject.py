"""A project that was carried as an archive lies where it is built from."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from ansible_collections.sluice.deploy.plugins.module_utils.release import composeproject


def test_a_file_of_the_same_length_is_another_to_a_build(tmp_path: Path) -> None:
    archive, place = tmp_path / "archive.tar", tmp_path / "project/shop"
    place.mkdir(parents=True)
    told = composeproject._settings({"directory": "../shop"})
    seen = []
    for version in (b"1", b"2"):
        with tarfile.open(archive, "w") as packed:
            member = tarfile.TarInfo("app/version")
            member.size = 1
            packed.addfile(member, io.BytesIO(version))
        composeproject._bring({"archive": str(archive), "digest": version.decode()}, told, place)
        seen.append((place / "app/version").stat().st_mtime_ns)
    assert seen[0] < seen[1], "what builds an image looks at times and lengths alone"
