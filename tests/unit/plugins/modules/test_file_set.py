from __future__ import annotations

import os

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.modules import file_set


def entry(path, **values):
    return {"path": str(path), "content": "", "mode": "0644", "state": "present", "validate": None, **values}


def write(*entries):
    changes = file_set.find_changes(list(entries))
    file_set.apply(changes)
    return changes


def test_files_are_written_once(tmp_path):
    wanted = entry(tmp_path / "deep/down", content="a", mode="0600")
    assert len(write(wanted)) == 1
    assert (tmp_path / "deep/down").read_text() == "a"
    assert (tmp_path / "deep/down").stat().st_mode & 0o777 == 0o600
    assert write(wanted) == []


def test_content_and_mode_count_as_changes(tmp_path):
    path = tmp_path / "a"
    write(entry(path, content="a"))
    assert [c.before for c in write(entry(path, content="b"))] == ["a"]
    assert len(write(entry(path, content="b", mode="0755"))) == 1


def test_absence(tmp_path):
    path = tmp_path / "a"
    write(entry(path, content="a"))
    assert len(write(entry(path, state="absent"))) == 1
    assert not path.exists()
    assert write(entry(path, state="absent")) == []


def test_a_refused_file_changes_none(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("old")
    with pytest.raises(UserError, match=r"bad is refused by grep, nothing was changed"):
        write(entry(good, content="new"), entry(bad, content="no", validate="grep yes %s"))
    assert good.read_text() == "old"
    assert os.listdir(tmp_path) == ["good"]


def test_validation_sees_the_staged_file(tmp_path):
    write(entry(tmp_path / "a", content="yes", validate="grep yes %s"))
    assert (tmp_path / "a").read_text() == "yes"


def test_of_a_path_given_twice_the_last_entry_counts(tmp_path):
    write(entry(tmp_path / "a", content="first"), entry(tmp_path / "a", content="last"))
    assert (tmp_path / "a").read_text() == "last"


def test_a_mode_that_is_none(tmp_path):
    with pytest.raises(UserError, match="write it in octal"):
        file_set.find_changes([entry(tmp_path / "a", mode="rw")])
