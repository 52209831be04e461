"""The report's page in a real browser."""

from __future__ import annotations

import json
import sys

import pytest
from conftest import PROJECT, REPORT

sys.path.insert(0, str(PROJECT / ".collections"))

from ansible_collections.sluice.deploy.tests.unit.plugins.plugin_utils.browser import (
    DARK,
    LIGHT,
    browse,
    overflow_on_a_phone,
    shoot,
)


@pytest.fixture
def chromium(browser) -> str:
    return browser or pytest.skip("no Chromium is here")


@pytest.fixture
def page(deployed, tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(REPORT.with_suffix(".html").read_bytes())
    return path


def test_every_check_is_there_and_the_console_is_silent(chromium, page):
    content = browse(chromium, page, "--dump-dom")
    results = json.loads(REPORT.with_suffix(".json").read_text())["results"]
    assert len(results) > 30
    missing = [result["id"] for result in results if f'data-check="{result["id"]}"' not in content]
    assert not missing
    # A certificate's life, the timings, and the layers of two images.
    assert content.count("<svg") >= 4


def test_a_phone_need_not_scroll_sideways(chromium, page):
    assert overflow_on_a_phone(chromium, page) == 0


def test_light_and_dark_are_drawn(chromium, page, tmp_path):
    pictures = {shoot(chromium, page, tmp_path / f"{scheme}.png", scheme) for scheme in (LIGHT, DARK)}
    assert len(pictures) == 2
