from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.results import gate_result, worst_status


def test_result_is_plain_and_complete():
    result = gate_result("a.b", "A", "pass", measured=1, limit=2)
    assert result == {
        "id": "a.b",
        "title": "A",
        "status": "pass",
        "measured": 1,
        "limit": 2,
        "evidence": [],
        "advice": [],
    }


def test_unknown_status_is_refused():
    with pytest.raises(ValueError, match="status must be one of"):
        gate_result("a", "A", "ok")


def test_skip_needs_a_reason():
    with pytest.raises(ValueError, match="without a reason"):
        gate_result("a", "A", "skip")


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ([], "skip"),
        (["pass", "skip"], "pass"),
        (["pass", "warn"], "warn"),
        (["fail", "warn", "pass"], "fail"),
    ],
)
def test_worst_status(statuses, worst):
    assert worst_status([gate_result("a", "A", s, evidence=["x"]) for s in statuses]) == worst
