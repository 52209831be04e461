from __future__ import annotations

import errno

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError, one_message, sentence, troubles_of


class Module:
    def fail_json(self, msg):
        raise SystemExit(msg)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (UserError("path: it is none"), "path: it is none"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a"), "/a: No such file"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("timed out"), "timed out"),
    ],
)
def test_trouble_ends_in_one_message(trouble, message):
    with pytest.raises(SystemExit, match=f"^{message}$"), one_message(Module()):
        raise trouble


def test_a_defect_stays_a_defect():
    with pytest.raises(KeyError), one_message(Module()):
        raise KeyError("x")


def test_a_sentence_has_one_dot():
    assert [sentence(UserError("it is none.")), sentence("it is none")] == ["it is none."] * 2


def test_an_expected_trouble_is_one_of_the_lines():
    def action():
        raise UserError("it is none.")

    assert troubles_of(action, "shop") == ["shop: it is none."]
    assert troubles_of(lambda: ["a"]) == ["a"]
    assert troubles_of(lambda: None) == []
