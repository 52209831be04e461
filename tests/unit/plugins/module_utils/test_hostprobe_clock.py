"""Checks by the clock: told where they change, and as figures that Prometheus takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils import units
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe import clock, host
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.figures import figures
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.look import Seen
from ansible_collections.sluice.deploy.plugins.module_utils.notices import tell
from ansible_collections.sluice.deploy.plugins.module_utils.results import gate_result
from ansible_collections.sluice.deploy.plugins.modules import verify_timer

KNOWN = {
    "release": "3f9c2a7be01d",
    "colour": "green",
    "commit": 'a"b\\c\n',
    "since": "2026-03-10T00:00:00Z",
    "edge_ends": "2026-03-13T12:00:00Z",
    "backup": "2026-03-09T23:00:00Z",
    "gates": [{"id": "image_size.web", "status": "pass"}, {"id": "log_secrets", "status": "warn"}],
    "services": [
        {"service": "web", "container": "crm-green-web", "state": "running", "health": "healthy"},
        {"service": "worker", "state": "missing", "health": ""},
    ],
    "jobs": [{"name": "nightly", "at": 1773100800.0, "outcome": "it ended with status 1"}, {"name": "new"}],
}
NOW = 1773100800.0  # 2026-03-10T00:00:00Z
SAMPLE = re.compile(r'sluice_[a-z_]+\{stack="crm"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\} (-?[0-9.]+)')


def results(**status: str) -> list[Any]:
    told: Any = {"measured": "1 of 2", "limit": "2", "evidence": ["x"]}
    return [gate_result(f"host.{name}", name, word, **told) for name, word in status.items()]


def test_figures_are_what_prometheus_reads() -> None:
    text = figures("crm", results(disk="pass", ssh="fail", clock="skip"), KNOWN, NOW)
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            values[line.rpartition(" ")[0]] = float(match[1])
    assert values['sluice_check_status{stack="crm",check="host.ssh"}'] == 2
    assert values['sluice_check_status{stack="crm",check="host.clock"}'] == -1
    assert values['sluice_gate_status{stack="crm",gate="log_secrets"}'] == 1
    assert values['sluice_certificate_days{stack="crm"}'] == 3.5
    assert values['sluice_backup_age_seconds{stack="crm"}'] == 3600
    assert values['sluice_release_timestamp_seconds{stack="crm"}'] == NOW
    assert values['sluice_service_up{stack="crm",service="worker",container=""}'] == 0
    assert values['sluice_service_up{stack="crm",service="web",container="crm-green-web"}'] == 1
    assert values['sluice_job_ok{stack="crm",job="nightly"}'] == 0
    assert r'commit="a\"b\\c\n"' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_what_something_else_deployed_has_figures_of_its_checks() -> None:
    text = figures("crm", results(disk="pass"), {}, NOW)
    assert 'sluice_check_status{stack="crm",check="host.disk"} 0\n' in text
    assert "release" not in text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    for module, name in ((host, "SETTINGS"), (units, "UNITS"), (units, "LIBRARY"), (tell, "SPOOL"), (tell, "_KNOWN")):
        monkeypatch.setattr(module, name, tmp_path / name)
        (tmp_path / name).mkdir(exist_ok=True)
    monkeypatch.setattr(tell, "SETTINGS", tmp_path / "SETTINGS/notify.json")
    monkeypatch.setattr(units, "_systemctl", lambda *arguments: None)
    return tmp_path


def test_a_run_tells_changes_alone_and_writes_its_figures(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "SETTINGS/notify.json").write_text("{}")
    settings = here / "settings.json"
    told = verify_timer.settings_of({"stack": "crm", "root": str(here / "stacks")}, str(here))
    settings.write_text(json.dumps(told))
    monkeypatch.setattr(clock, "_known", lambda wishes: {})
    for found in (results(disk="pass"), results(disk="fail"), results(disk="fail"), results(disk="pass")):
        monkeypatch.setattr(clock, "look", lambda wishes, found=found: Seen(found, [], []))
        assert clock.main([str(settings)]) == 0
    notices = [json.loads(path.read_text()) for path in sorted((here / "SPOOL").iterdir())]
    assert [notice["event"] for notice in notices] == ["verify.failed", "verify.well"]
    assert "disk: 1 of 2, wanted 2." in notices[0]["text"]
    assert 'check="host.disk"} 0' in (here / "sluice_crm.prom").read_text()


def test_the_timer_comes_and_goes_with_its_figures(here: Path) -> None:
    figures_of = here / "sluice_crm.prom"
    settings = verify_timer.settings_of({"stack": "crm"}, str(here))
    files = verify_timer.planned("", settings, "crm")
    assert files == {}
    place = host.settings_file("crm")
    units.install({place: (json.dumps(settings).encode(), 0o600)}, [])
    figures_of.touch()
    assert set(clock.former("crm")) >= {place, figures_of}
    units.install({}, clock.former("crm"))
    assert not place.exists() and not figures_of.exists()


def test_wrong_settings_are_named() -> None:
    with pytest.raises(verify_timer.UserError, match="verify_textfile: /nowhere is no directory"):
        verify_timer.settings_of({"stack": "crm"}, "/nowhere")
    with pytest.raises(verify_timer.UserError, match=r"wishes: .*stak"):
        verify_timer.settings_of({"stack": "crm", "stak": 1}, "")
    with pytest.raises(verify_timer.UserError, match="verify_schedule: systemd does not know"):
        verify_timer.planned("a\nb", verify_timer.settings_of({"stack": "crm"}, ""), "crm")
