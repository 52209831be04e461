"""The page in a real browser."""

from __future__ import annotations

import shutil

import pytest

from ansible_collections.sluice.deploy.plugins.plugin_utils.report.page import as_page
from ansible_collections.sluice.deploy.tests.unit.plugins.plugin_utils.browser import (
    DARK,
    LIGHT,
    browse,
    overflow_on_a_phone,
    shoot,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.plugin_utils.report_samples import REPORT, RESULTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed; on Debian: apt-get install chromium")


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(as_page(REPORT), encoding="utf-8")
    return path


def test_every_check_is_there_and_the_console_is_silent(page):
    content = browse(CHROMIUM, page, "--dump-dom")
    for result in RESULTS:
        assert f'data-check="{result["id"]}"' in content
    assert content.count("<svg") == 3


def test_a_phone_need_not_scroll_sideways(page):
    assert overflow_on_a_phone(CHROMIUM, page) == 0


def test_light_and_dark_differ(page, tmp_path):
    pictures = {shoot(CHROMIUM, page, tmp_path / f"{scheme}.png", scheme) for scheme in (LIGHT, DARK)}
    assert len(pictures) == 2
