"""A page in headless Chromium: what it says on its console, what becomes of it, how wide it is on a phone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PHONE = 390
DARK, LIGHT = 0, 1
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--allow-file-access-from-files",
]
# A window cannot be as narrow as a phone, a frame can.
_FRAME = """<!doctype html><body style="margin:0"><iframe id="frame" src="{name}" style="width:{width}px;height:{height}px;border:0">
</iframe><script>frame.onload = () => {{
  const page = frame.contentDocument.documentElement
  document.body.dataset.overflow = page.scrollWidth - page.clientWidth
}}</script>"""


def browse(chromium: str, page: Path, *arguments: str, scheme: int = LIGHT) -> str:
    """Open a page in a profile of its own beside it; answers what Chromium prints.

    Raises:
        AssertionError: Chromium fails, or the page complains on its console.
    """
    own = [f"--user-data-dir={page.parent / 'profile'}", f"--blink-settings=preferredColorScheme={scheme}"]
    argv = [chromium, *_FLAGS, *own, *arguments, page.as_uri()]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints, complaints
    return done.stdout


def overflow_on_a_phone(chromium: str, page: Path) -> int:
    """Pixels by which a page is wider than a phone."""
    frame = page.with_name("frame.html")
    frame.write_text(_FRAME.format(name=page.name, width=PHONE, height=800), encoding="utf-8")
    found = re.search(r'data-overflow="(\d+)"', browse(chromium, frame, "--dump-dom"))
    assert found, "the page did not load in its frame"
    return int(found[1])


def shoot(chromium: str, page: Path, picture: Path, scheme: int = LIGHT, size: str = "1100,2600") -> bytes:
    """A picture of a page."""
    browse(chromium, page, f"--window-size={size}", f"--screenshot={picture}", scheme=scheme)
    return picture.read_bytes()
