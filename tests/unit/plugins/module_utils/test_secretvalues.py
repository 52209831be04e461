"""Secret values survive files and URLs, and stay out of texts."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.values import (
    check_secrets,
    dotenv_quote,
    dsn,
    redact,
)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "stack_secrets.TOKEN is missing: add it"),
        ({"TOKENS": "x"}, "is missing (did you mean 'TOKENS'?)"),
        ({"TOKEN": "  "}, "stack_secrets.TOKEN is blank"),
        ({"TOKEN": "changeme"}, "stack_secrets.TOKEN is a placeholder"),
        ({"TOKEN": "Change_Me!"}, "is a placeholder"),
        ({"TOKEN": "<your token>"}, "is a placeholder"),
        ({"TOKEN": "replace_me_with_a_random_string"}, "is a placeholder"),
        ({"TOKEN": True}, "expected text, not bool"),
        ({"TOKEN": 342391}, "expected text, not int; quote it"),
        ({"TOKEN": "hunter2xy\n"}, "ends with a line feed"),
        ({"TOKEN": "a\0bc"}, "holds a NUL byte"),
    ],
)
def test_values_that_are_no_secret(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_secrets(["TOKEN"], values)
    assert message in str(caught.value)


def test_all_secrets_that_are_wrong_are_named_in_one_answer() -> None:
    with pytest.raises(UserError) as caught:
        check_secrets(["A", "B", "C"], {"A": "changeme", "B": "k8d2#x"})
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["stack_secrets.A", "stack_secrets.C"]


def test_good_values_pass_and_others_are_left_out() -> None:
    assert check_secrets(["A", "N"], {"A": "k8d2#x", "N": "98765432101", "B": "unused"}) == {
        "A": "k8d2#x",
        "N": "98765432101",
    }


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("abc-1", "abc-1"),
        ("", "''"),
        ("a b#c$d", "'a b#c$d'"),
        ("it's", '"it\'s"'),
        ("'$x\\\"\n", '"\'\\$x\\\\\\"\\n"'),
        ("ends\\", '"ends\\\\"'),
    ],
)
def test_dotenv_quoting(value: str, quoted: str) -> None:
    assert dotenv_quote(value) == quoted


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
@settings(max_examples=100, derandomize=True)
def test_a_dsn_gives_back_what_went_in(user: str, password: str, database: str) -> None:
    url = urlsplit(
        dsn(
            {
                "scheme": "postgres",
                "user": user,
                "password": password,
                "host": "db",
                "port": 5432,
                "database": database,
            }
        )
    )
    assert (unquote(url.username or ""), unquote(url.password or ""), unquote(url.path[1:])) == (
        user,
        password,
        database,
    )
    assert (url.hostname, url.port) == ("db", 5432)


def test_a_dsn_names_what_it_does_not_know() -> None:
    with pytest.raises(UserError, match="did you mean 'password'"):
        dsn({"scheme": "redis", "host": "r", "pasword": "x"})
    with pytest.raises(UserError, match="host is missing"):
        dsn({"scheme": "redis"})
    assert dsn({"scheme": "redis", "host": "::1", "params": {"a": "b&c"}}) == "redis://[::1]?a=b%26c"


@given(st.lists(st.text(min_size=4), max_size=5), st.text(), st.text())
@settings(max_examples=100, derandomize=True)
def test_no_secret_is_left_in_a_redacted_text(secrets: list[str], before: str, after: str) -> None:
    text = redact(before + "|".join(secrets) + after, secrets, mask="")
    assert not [s for s in secrets if len(s) > 8 and s in text]


def test_percent_encoded_and_overlapping_values_are_masked() -> None:
    assert redact("p%40ss1 p@ss1 p@ss1234", ["p@ss1", "p@ss1234"]) == "*** *** ***"
    assert redact("a is a word", ["a"]) == "a is a word"


@pytest.mark.parametrize(
    "spell",
    [
        json.dumps,
        html.escape,
        lambda s: base64.b64encode(f"x{s}".encode()).decode(),
        lambda s: s.encode().hex(),
        lambda s: s.replace("$", "$$"),
    ],
)
def test_every_spelling_of_a_secret_is_masked(spell: Callable[[str], str]) -> None:
    secret = 'pa"ss\\wo&rd-$77'
    text = redact(f"it said {spell(secret)} and no more", [secret])
    assert text.startswith("it said ")
    assert text.endswith(" and no more")
    assert spell(secret).strip('"') not in text


def test_a_key_of_several_lines_is_masked_behind_a_prefix_too() -> None:
    key = "first-line-of-it\nsecond-line-of-it"
    assert redact("web-1 | first-line-of-it\nweb-1 | second-line-of-it", [key]) == "web-1 | ***\nweb-1 | ***"
