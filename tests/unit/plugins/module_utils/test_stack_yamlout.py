"""What the YAML writer writes, any YAML reader reads back the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.stack.yamlout import to_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    TEXT | st.booleans() | st.integers() | st.none(),
    lambda c: st.lists(c, max_size=4) | st.dictionaries(TEXT, c, max_size=4),
)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=5))
@settings(max_examples=150, derandomize=True)
def test_round_trip(value: dict[str, Any]) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


@pytest.mark.parametrize(
    "text",
    ["yes", "NO", "on", "null", "~", "1", "1.5", "1e3", "0x1f", "1_000", "12:30", "2026-01-02", "a: b", "a #b", "- a", "",
     " a", "a ", "'", '"', "\\", "{a}", "[a]", "&a", "*a", "!a", "%a", "@a", "`a", "a\nb", "\t", "\x7f", "\x85", "\u2028",
     "\ufeff", "😀", "=", "<<", "y", "90s", "5m", "$HOME", "${X}", "crm-${COLOUR}-api", "./secrets/x", "a:b", "10m"],
)  # fmt: skip
def test_texts_stay_texts(text: str) -> None:
    assert yaml.safe_load(to_yaml({"key": text, "list": [text], text or "k": 1}))["key"] == text


def test_it_reads_as_if_written_by_hand() -> None:
    assert to_yaml(
        {"services": {"api": {"image": "api:1", "stop_grace_period": "30s", "cap_drop": ["ALL"], "tmpfs": []}}}
    ) == (
        "services:\n  api:\n    image: api:1\n    stop_grace_period: 30s\n    cap_drop:\n      - ALL\n    tmpfs: []\n"
    )
