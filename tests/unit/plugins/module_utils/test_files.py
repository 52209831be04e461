from __future__ import annotations

import os

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils import files
from ansible_collections.sluice.deploy.plugins.module_utils.files import read_tree, write_tree, write_whole


def test_the_content_arrives_byte_for_byte(tmp_path):
    write_whole(tmp_path / "a", "é\r\n\n")
    assert (tmp_path / "a").read_bytes() == "é\r\n\n".encode()


def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "a", b"x", mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path):
    (tmp_path / ".a.new").write_text("half")
    write_whole(tmp_path / "a", "whole")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    write_whole(tmp_path / "a", "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_file_and_directory_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files.os, "fsync", lambda d: synced.append(os.readlink(f"/proc/self/fd/{d}")))
    write_whole(tmp_path / "a", "x")
    assert synced == [str(tmp_path / ".a.new"), str(tmp_path)]


def test_a_draft_that_the_check_refuses_leaves_the_old_file(tmp_path):
    def refuse(draft):
        assert draft.read_text() == "new"
        raise ValueError("no")

    write_whole(tmp_path / "a", "old")
    with pytest.raises(ValueError, match="no"):
        write_whole(tmp_path / "a", "new", check=refuse)
    assert (tmp_path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_tree_is_what_was_written_and_each_of_its_files_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files.os, "fsync", lambda d: synced.append(os.readlink(f"/proc/self/fd/{d}")))
    wanted = {f"{kind}/{number}": f"{kind}{number}\r\n".encode() for kind in ("a", "b/c") for number in range(40)}
    write_tree(tmp_path, wanted, 0o400)
    assert read_tree(tmp_path) == wanted
    assert sorted(synced) == sorted(str(tmp_path / path) for path in wanted)
    assert {(tmp_path / path).stat().st_mode & 0o777 for path in wanted} == {0o400}


def test_what_stops_one_file_of_a_tree_is_told(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("/7"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_tree(tmp_path, {str(number): b"" for number in range(40)})


def test_a_tree_that_is_not_there_is_empty(tmp_path):
    assert read_tree(tmp_path / "none") == {}
