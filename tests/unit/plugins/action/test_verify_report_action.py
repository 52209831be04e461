"""Where a report goes, and what of it reaches the terminal, through ansible-playbook and the role's defaults."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.sluice.deploy.plugins.action.verify_report import write
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.results import gate_result
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.model import VerificationReport, read_results

PROJECT = pathlib.Path(__file__).resolve().parents[4]
BIN = pathlib.Path(sys.executable).parent
REPORT = VerificationReport("crm", (gate_result("a", "A", "pass"),), at="now")
PLAY = r"""
- hosts: localhost
  gather_facts: false
  vars_files: ["%s/roles/verify/defaults/main.yml"]
  tasks:
    - sluice.deploy.verify_report:
        title: "crm\e]0;x\a"
        directory: "{{ verify_report_directory }}"
        name: crm
        sources:
          - id: site
            title: Site
            registered:
              results: [{id: "a\e[2J", title: "A\e[2J", status: fail, measured: "x\e[2J"}]
"""


@pytest.mark.parametrize("name", ["../crm", "a/b", "/etc/crm", "..", ".crm", "", "a\0b", "a\nb", "é" * 101])
def test_a_reports_name_cannot_leave_its_directory(name, tmp_path):
    with pytest.raises(UserError, match="is no name for a report's files"):
        write(REPORT, tmp_path / "reports", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["crm-web.example.com", "crm-[2001:db8::1]", "crm-user@host", "é" * 100])
def test_names_of_stacks_and_hosts_are_names_of_reports(name, tmp_path):
    files = write(REPORT, tmp_path / "reports", name)
    assert {pathlib.Path(path).parent for path in files.values()} == {tmp_path / "reports"}
    assert len(list((tmp_path / "reports").iterdir())) == 3


def test_half_a_surrogate_pair_is_written(tmp_path):
    (result,) = read_results([{"id": "a", "title": "\ud800", "status": "fail", "details": {"\udfff": ["\ud800"]}}])
    write(VerificationReport("crm", (result,), at="now"), tmp_path, "crm")
    assert json.loads((tmp_path / "crm.json").read_text(encoding="utf-8"))


@pytest.mark.skipif(not (PROJECT / ".collections").exists(), reason="needs a checkout; make unit runs this test")
def test_the_report_goes_where_the_play_is_run_and_commands_no_terminal(tmp_path):
    playbook = tmp_path / "installed/playbooks/site.yml"
    user = tmp_path / "project"
    playbook.parent.mkdir(parents=True)
    user.mkdir()
    playbook.write_text(PLAY % PROJECT)
    environment = {
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".collections"),
    }
    run = subprocess.run(
        [BIN / "ansible-playbook", "-i", "localhost,", str(playbook)],
        capture_output=True,
        text=True,
        check=False,
        cwd=user,
        env={**os.environ, **environment},
    )
    assert run.returncode == 2, run.stdout + run.stderr
    assert {file.name for file in (user / "reports").iterdir()} == {"crm.html", "crm.json", "crm.xml"}
    assert not [path for path in (tmp_path / "installed").rglob("*") if path.is_file() and path != playbook]
    assert "\x1b" not in run.stdout + run.stderr and "\x07" not in run.stdout
