"""A release whose migration takes its time, as whoever waits for it sees it."""

from __future__ import annotations

import pathlib
import re

PROJECT = pathlib.Path(__file__).resolve().parents[3]
testinfra_hosts = ["ssh://debian13"]


def test_a_long_hook_is_shown_with_its_time(host, play_over):
    play = play_over(PROJECT / "molecule/fleet/inventory")
    slow = {"pre_release": {"service": "web", "command": ["sleep", "45"]}}
    try:
        done = play(
            "site", "--limit", "wiki", "--tags", "compose_stack", app_version="2", stack_hooks=slow, stack_jobs={}
        )
        assert done.returncode == 0, done.stdout + done.stderr
        shown = re.findall(r"release of wiki: pre_release, for (\d+) s", done.stdout)
        assert shown and all(10 <= int(seconds) <= 120 for seconds in shown), done.stdout + done.stderr
        assert host.check_output("ls /run/sluice") == ""
    finally:
        restored = play("site", "--limit", "wiki", "--tags", "compose_stack")
    assert restored.returncode == 0, restored.stdout
