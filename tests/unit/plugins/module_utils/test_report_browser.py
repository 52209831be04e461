"""The page in a real browser."""

from __future__ import annotations

import shutil
import struct
import subprocess

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.report.page import as_page
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.report_samples import REPORT, RESULTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed; on Debian: apt-get install chromium")
DARK, LIGHT = 0, 1


def browse(tmp_path, scheme, *arguments):
    page = tmp_path / "report.html"
    page.write_text(as_page(REPORT), encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={scheme}",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints, complaints
    return done.stdout


def test_every_check_is_there_and_the_console_is_silent(tmp_path):
    content = browse(tmp_path, LIGHT, "--dump-dom")
    for result in RESULTS:
        assert f'data-check="{result["id"]}"' in content
    assert content.count("<svg") == 3


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_it_is_drawn_at_a_phones_width(tmp_path, scheme):
    picture = tmp_path / "page.png"
    browse(tmp_path, scheme, "--window-size=500,1200", f"--screenshot={picture}")
    head = picture.read_bytes()[:24]
    assert struct.unpack(">II", head[16:24]) == (500, 1200)
