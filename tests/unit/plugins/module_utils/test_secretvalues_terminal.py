from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.terminal import fit_for_terminal


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31merror\x1b[0m: no", "error: no"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]52;c;aGk=\x1b\\text", "text"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x9b2Jgone", "gone"),
        ("a\rb", "a?b"),
        ("one\r\ntwo\tthree\n", "one\ntwo\tthree\n"),
        ("never \x1b]0;ended", "never "),
        ("abc\u202edef", "abc?def"),
        ("é 😀 ", "é 😀 "),
    ],
)
def test_what_a_terminal_would_act_on_is_gone(said: str, shown: str) -> None:
    assert fit_for_terminal(said) == shown


@given(st.text(alphabet=st.characters(max_codepoint=0x9F)))
@settings(max_examples=300, derandomize=True)
def test_no_control_character_is_left(text: str) -> None:
    shown = fit_for_terminal(text)
    assert all(char in "\n\t" or char.isprintable() for char in shown)
