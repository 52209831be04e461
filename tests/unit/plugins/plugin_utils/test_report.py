from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.results import gate_result
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.drawings import bars, with_layers
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.machine import as_data, as_json, as_junit
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.model import (
    VerificationReport,
    group_of,
    read_results,
    waive,
)
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.page import as_page
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.table import as_table
from ansible_collections.sluice.deploy.tests.unit.plugins.plugin_utils.report_samples import REPORT, RESULTS

ANY_TEXT = st.text(max_size=40)


class Page(HTMLParser):
    """Elements, the text a reader sees, and addresses, of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.checks: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "srcset", "poster"):
                self.addresses.append(value)
            if name == "data-check":
                self.checks.append(value)

    def handle_data(self, data):
        self.text += data


def test_the_table_tells_every_check_and_what_to_do():
    table = as_table(REPORT)
    for result in RESULTS:
        assert result["title"] in table
    assert "exited (1)" in table and "running, healthy" in table
    assert "docker logs --tail 50 crm-blue-worker" in table
    assert table.splitlines()[-1] == "2 checks failed in 3.4 s (2 fail, 1 warn, 5 pass, 1 skip)"


def test_a_skipped_check_gives_its_reason_in_the_table():
    assert "verify_backup_max_age is not set" in as_table(REPORT)


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_the_table_keeps_to_its_width(width):
    lines = as_table(REPORT, width).splitlines()
    assert max(len(line) for line in lines) <= width, "\n".join(lines)


def test_the_table_passes_no_control_character_to_the_terminal():
    result = gate_result("a", "A\x1b[2J", "fail", measured="\x9b31m", evidence=["x\r\ny\x07"], advice=["\u202eevil"])
    table = as_table(VerificationReport("T\x1b]0;x\x07", (result,), at="now"))
    assert not set(table) & set("\x1b\x9b\r\x07\u202e")


def test_json_holds_all_of_it():
    data = json.loads(as_json(REPORT))
    assert data["status"] == "fail"
    assert data["counts"] == {"fail": 2, "warn": 1, "pass": 5, "skip": 1}
    assert data["results"] == [dict(result) for result in RESULTS]


def test_junit_counts_and_names():
    root = ElementTree.fromstring(as_junit(REPORT))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("9", "2", "1")
    failed = [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert failed == ["container.worker: Worker is alive", "image_size.server: Size of image server"]
    assert root.find(".//skipped").get("message") == "verify_backup_max_age is not set"


def test_the_page_shows_every_check_and_asks_for_nothing():
    page = Page(as_page(REPORT))
    assert sorted(page.checks) == sorted(result["id"] for result in RESULTS)
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    outward = [a for a in page.addresses if not a.startswith(("#", "data:"))]
    assert outward == ["https://crm.example.com/"], "only the site itself is linked, and nothing is loaded"
    assert "url(" not in as_page(REPORT) and "@import" not in as_page(REPORT)


@settings(max_examples=25, derandomize=True)
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_whatever_a_server_answers_stays_text(id, title, evidence):
    result = gate_result(
        f"site.{id}<img>", f'<script>alert(1)</script>"\'&{title}', "fail", measured="<img src=x onerror=y>",
        evidence=[f"</ul><iframe>{evidence}"], advice=["<style>"],
    )  # fmt: skip
    report = VerificationReport("<h1>", (result,), at="now", url="javascript:alert(1)")
    page = Page(as_page(report))
    assert not {"script", "img", "iframe"} & set(page.tags)
    assert (page.tags.count("style"), page.tags.count("h1")) == (1, 1)
    assert not any(address.startswith("javascript") for address in page.addresses)
    ElementTree.fromstring(as_junit(report))
    as_table(report, 60)


def test_an_empty_report_says_that_nothing_was_checked():
    report = VerificationReport("T", (), at="now")
    assert "Nothing was checked" in as_table(report)
    assert "Nothing was checked" in as_page(report)
    assert ElementTree.fromstring(as_junit(report)).get("tests") == "0"


def test_layers_are_drawn_against_the_limit():
    (bar,) = bars(next(r for r in RESULTS if r["id"] == "image_size.server"))
    assert bar.limit == pytest.approx(100 * 500 / 620, abs=0.01)
    assert sum(segment.width for segment in bar.segments) == pytest.approx(100, abs=0.01)
    assert bar.segments[2].wasted == pytest.approx(100 * 180 / 620, abs=0.01)
    assert bar.legend[0].label.startswith("layer 3: 380.0 MB")


def test_an_expired_certificate_is_drawn_as_such():
    life = {"not_before": "2026-01-01T00:00:00+00:00", "not_after": "2026-04-01T00:00:00+00:00"}
    result = gate_result("a", "A", "fail", details={"certificate": {**life, "now": "2026-04-03T00:00:00+00:00"}})
    (bar,) = bars(result)
    assert (bar.segments[0].width, bar.limit) == (0, 100)
    assert "expired 2.0 days ago" in bar.caption


@pytest.mark.parametrize(
    "details",
    [
        {"layers": []},
        {"layers": None},
        {"layers": [{"size": "x"}]},
        {"certificate": {}},
        {"certificate": {"not_before": "x"}},
        {"timings": [{"label": "a"}]},
        {"timings": []},
        {"other": 1},
    ],
)
def test_details_of_another_form_are_left_undrawn(details):
    assert bars(gate_result("a", "A", "pass", details=details)) == []


def test_an_images_layers_join_its_result():
    image = {"name": "server", "basis": "unpacked", "limit": 10, "layers": [{"size": 4, "instruction": "RUN x"}]}
    (joined,) = with_layers([gate_result("image_size.server", "S", "pass")], [image])
    assert joined["details"] == {"layers": [{"size": 4, "wasted": 0, "instruction": "RUN x"}], "limit": 10}


def test_results_are_checked_for_their_form():
    with pytest.raises(UserError, match=r"results\[1\]: title, status is missing"):
        read_results([dict(RESULTS[0]), {"id": "x"}])
    with pytest.raises(UserError, match=r"results\[0\]: status must be one of"):
        read_results([{"id": "x", "title": "X", "status": "green"}])
    with pytest.raises(UserError, match=r"results\[0\]"):
        read_results(["no result"])


def test_two_results_of_one_id_are_both_kept():
    twice = read_results([dict(RESULTS[0]), dict(RESULTS[0])])
    assert [result["id"] for result in twice] == ["site.dns", "site.dns.2"]


def test_a_waived_failure_is_a_warning_with_its_reason():
    results, waived = waive(list(RESULTS), {"image_size.*": "smaller base comes in May"})
    assert waived == ("image_size.server",)
    judged = {result["id"]: result for result in results}
    assert judged["image_size.server"]["status"] == "warn"
    assert judged["image_size.server"]["evidence"][0] == "accepted: smaller base comes in May"
    assert judged["container.worker"]["status"] == "fail"


def test_a_waiver_by_the_name_that_a_check_had_before_holds_and_is_told_so():
    results = [gate_result("image_secret_names.app", "No secret", "fail")]
    judged, waived = waive(results, {"image_secrets.app": "a name only"})
    assert waived == ("image_secret_names.app",)
    assert judged[0]["status"] == "warn"
    assert "it is image_secret_names.app now" in judged[0]["evidence"][0]


def test_a_waiver_needs_a_reason():
    with pytest.raises(UserError, match=r"waivers: site\.\* has no reason"):
        waive([], {"site.*": " "})


@pytest.mark.parametrize(
    ("id", "group"),
    [("tls.expiry", "Encryption"), ("image_size.x", "Images"), ("log_secrets", "Secrets"), ("own.check", "Other")],
)
def test_groups(id, group):
    assert group_of(id) == group


def test_a_picture_stands_in_the_page_and_not_in_the_json():
    def told(picture):
        result = gate_result("site.browser", "A page", "pass", details={"picture": picture})
        report = VerificationReport("crm", (result,), "2026-11-24T10:00:00Z")
        return as_page(report), as_json(report)

    page, data = told("/9j/AAAA")
    assert 'src="data:image/jpeg;base64,/9j/AAAA"' in page and "/9j/" not in data
    page, _ = told('x" onerror="alert(1)')
    assert "<img" not in page


def test_the_keys_of_the_json_are_documented():
    page = Path(__file__).resolve().parents[4] / "docs/verify.md"
    if not page.exists():
        pytest.skip("needs a checkout")
    told = page.read_text(encoding="utf-8")
    data = as_data(REPORT)
    assert data["schema"] == 1
    assert [key for key in (*data, *data["results"][0]) if f"`{key}`" not in told] == []
