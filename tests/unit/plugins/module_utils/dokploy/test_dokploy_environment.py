from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.environment import (
    check_version,
    describe_change,
    merge,
    needs_quoting_server,
    parse_environment,
    render_environment,
)
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.standin_dokploy import dotenv

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(alphabet="ab1'\"`\\#$ \n=:{}é", max_size=12)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=abc#def", {"A": "abc"}),
        ("A='abc#def'", {"A": "abc#def"}),
        ('A="a\\nb"', {"A": "a\nb"}),
        ("A='a\\nb'", {"A": "a\\nb"}),
        ('A=`it\'s "so"`', {"A": 'it\'s "so"'}),
        ("# no\n\nexport A = x  # y\nB: z\n", {"A": "x", "B": "z"}),
        ("A='one\ntwo'\r\nB=2", {"A": "one\ntwo", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
        (None, {}),
    ],
)
def test_parse_as_the_server_does(text, values):
    assert parse_environment(text) == values


@settings(max_examples=300, derandomize=True)
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_rendered_is_read_back_by_another_parser(values):
    try:
        text = render_environment(values)
    except UserError:
        return
    assert dotenv.parse(text) == values


@settings(max_examples=200, derandomize=True)
@given(st.text(alphabet="ab'\"`\\#$\n={}:\r é", max_size=60))
def test_both_parsers_agree_on_any_text(text):
    assert parse_environment(text) == dotenv.parse(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"A B": "x"}, "not a valid name"),
        ({"A": "'`\""}, "all three kinds of quotes"),
        ({"A": "x${HOME}y"}, r"reference such as \$\{NAME\}"),
        ({"A": "a\rb"}, "carriage return"),
        ({"A": "x y\\", "B": "# z"}, "value of A cannot be written"),
    ],
)
def test_what_cannot_arrive_is_refused_by_name(values, message):
    with pytest.raises(UserError, match=message) as error:
        render_environment(values)
    assert "x y" not in str(error.value), "a value is never shown"


def test_dokploys_own_references_pass():
    assert parse_environment(render_environment({"A": "${{project.B}}"})) == {"A": "${{project.B}}"}


def test_an_old_server_gets_plain_values_only():
    special = needs_quoting_server({"A": "x$y", "B": "https://u:p@h/x?a=1&b=2"})
    assert special == ["A"]
    with pytest.raises(UserError, match=r"v0\.29\.11 damages .* A's"):
        check_version("v0.29.11", special)
    check_version("v0.30.0", special)
    check_version("", special)
    check_version("v0.20.0", [])


def test_merge_and_its_description():
    assert merge({"A": "1", "B": "2"}, {"B": "3"}, purge=False) == {"A": "1", "B": "3"}
    assert merge({"A": "1", "B": "2"}, {"B": "3"}, purge=True) == {"B": "3"}
    before, after = describe_change({"A": "s1", "B": "s2"}, {"B": "s3"})
    assert before == {"A": "(hidden)", "B": "(hidden)"}
    assert after == {"B": "(hidden, changed)"}


@pytest.mark.parametrize(
    "text", ["\n" * 200_000, "A=1\n" + " \n" * 100_000 + "B", "A=\n" * 50_000, "A='\n" * 50_000, "a" * 200_000]
)
def test_reading_takes_time_in_proportion(text):
    started = time.process_time()
    parse_environment(text)
    assert time.process_time() - started < 2


def test_blank_lines_stay_in_a_value_and_count_nowhere_else():
    assert parse_environment("\n\n  A='1\n\n2'\n \n\n# c\n B = 3") == {"A": "1\n\n2", "B": "3"}


def test_the_advice_spells_a_reference_as_dokploy_does():
    with pytest.raises(UserError, match=r"own form \$\{\{NAME\}\} where"):
        render_environment({"A": "${B}"})
