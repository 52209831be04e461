"""What is kept of runs, and what is told of the difference."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.action.verify_report import write
from ansible_collections.sluice.deploy.plugins.module_utils.results import gate_result
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.history import (
    Figure,
    Run,
    compare,
    read_runs,
    run_of,
    trends,
)
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.machine import as_json
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.model import VerificationReport
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.page import as_page
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.table import as_table

AT = "2026-11-24T10:00:00Z"


def speed(ms):
    return {"timings": [{"label": "DNS", "ms": ms / 2}, {"label": "first byte", "ms": ms / 2}]}


def results(front="pass", ms=100, size=100_000_000, free=20_000_000_000, more=()):
    return [
        gate_result("site.front", "Front", front),
        gate_result("site.speed", "Speed", "pass", details=speed(ms)),
        gate_result("image_size.web", "Size of web", "pass", details={"layers": [{"size": size}]}),
        gate_result(
            "host.disk", "Disk", "pass", details={"figure": {"value": free, "unit": "bytes", "better": "more"}}
        ),
        *more,
    ]


def run(at=AT, **changes):
    return run_of(results(**changes), at, "pass")


@pytest.mark.parametrize(
    ("now", "worse", "better"),
    [
        ({}, [], []),
        ({"front": "fail"}, ["Front (pass → fail)"], []),
        ({"ms": 190}, ["Speed (100 ms → 190 ms)"], []),
        ({"ms": 140}, [], []),
        ({"size": 109_000_000}, [], []),
        ({"size": 150_000_000}, ["Size of web (100.0 MB → 150.0 MB)"], []),
        ({"size": 50_000_000}, [], ["Size of web (100.0 MB → 50.0 MB)"]),
        ({"free": 10_000_000_000}, ["Disk (20.0 GB → 10.0 GB)"], []),
        ({"more": [gate_result("x", "X", "fail")]}, ["X (new → fail)"], []),
        ({"more": [gate_result("x", "X", "pass")]}, [], []),
    ],
)
def test_what_has_changed(now, worse, better):
    changes = compare(run(), run(**now))
    assert (list(changes.worse), list(changes.better)) == (worse, better)


def test_what_is_no_longer_measured_got_worse():
    skipped = gate_result("site.front", "Front", "skip", evidence=["no"])
    changes = compare(run(), run_of([skipped, *results()[1:-1]], AT, "pass"))
    assert changes.worse == ("Front (pass → skip)", "host.disk (no longer checked)")
    assert compare(run(front="fail"), run()).better == ("Front (fail → pass)",)
    assert changes.line == "Since 2026-11-24 10:00:00 UTC worse: Front (pass → skip), host.disk (no longer checked)"


def test_runs_are_kept_and_told_from_one_report_to_the_next(tmp_path):
    for number in range(5):
        before = tuple(read_runs(tmp_path / "crm.runs.jsonl"))
        status = "fail" if number == 4 else "pass"
        report = VerificationReport("crm", tuple(results(front=status)), f"2026-11-2{number}T10:00:00Z", before=before)
        files = write(report, tmp_path, "crm", keep=3)
    assert [r.at[:10] for r in read_runs(tmp_path / "crm.runs.jsonl")] == ["2026-11-22", "2026-11-23", "2026-11-24"]
    assert files["runs"] == str(tmp_path / "crm.runs.jsonl")
    assert as_table(report).endswith("Since 2026-11-23 10:00:00 UTC worse: Front (pass → fail)")
    assert json.loads(as_json(report))["changes"]["worse"] == ["Front (pass → fail)"]
    page = as_page(report)
    assert "Front (pass → fail)" in page and page.count("<polyline") == 3


def test_the_first_run_tells_of_no_other(tmp_path):
    report = VerificationReport("crm", tuple(results()), AT)
    assert "Since" not in as_page(report) and json.loads(as_json(report))["changes"] is None
    assert "runs" not in write(report, tmp_path, "crm")


LINE = run().as_line()


@settings(max_examples=200)
@given(st.lists(st.one_of(st.text(max_size=60), st.just(LINE), st.just(LINE[:40]), st.just("[" * 5000)), max_size=6))
def test_a_file_that_somebody_wrote_into_ends_no_report(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("runs") / "crm.runs.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    assert len(read_runs(path)) == sum(line == LINE for text in lines for line in text.split("\n"))


@pytest.mark.parametrize(
    "line",
    [
        "null",
        '{"at": 1, "checks": {}, "figures": {}}',
        json.dumps({"at": AT, "checks": ["a"], "figures": {}}),
        json.dumps({"at": AT, "checks": {}, "figures": {"a": 1}}),
        json.dumps({"at": AT, "checks": {}, "figures": {"a": ["x", "ms", ""]}}),
        json.dumps({"at": AT, "checks": {}, "figures": {"a": [10**400, "ms", ""]}}),
    ],
)
def test_a_line_of_another_form_is_left_out(line, tmp_path):
    path = tmp_path / "x"
    path.write_text(line)
    assert read_runs(path) == []


def test_a_trend_stays_in_its_field():
    runs = [Run(AT, "pass", figures={"a": Figure(float(value), "ms", "less")}) for value in (5, 5, 900, -3)]
    (trend,) = trends(runs)
    points = [tuple(map(float, pair.split(","))) for pair in trend.points.split()]
    assert len(points) == 4 and all(0 <= x <= 100 and 0 <= y <= 30 for x, y in points)
    assert trends(runs[:2]) == []
