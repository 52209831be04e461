# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which headers the verify role asks for, as its task has it, templated by Ansible itself."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
import yaml

ROLE = pathlib.Path(__file__).resolve().parents[2] / "roles" / "verify"
PLAYBOOK = pathlib.Path(sys.executable).parent / "ansible-playbook"
pytestmark = pytest.mark.skipif(not PLAYBOOK.exists(), reason="this interpreter has no ansible-playbook beside it")
CASES = [
    ({}, True),
    ({"nginx_certbot_csp": None}, True),
    ({"nginx_certbot_csp": "default-src 'self'", "nginx_certbot_csp_mode": "report"}, True),
    ({"nginx_certbot_csp": ""}, False),
    ({"nginx_certbot_csp_mode": "app"}, False),
]


def test_no_policy_is_asked_for_where_it_is_left_to_the_app(tmp_path):
    look = yaml.safe_load((ROLE / "tasks" / "look.yml").read_text())[0]
    headers = look["vars"]["_verify_site"]["headers"]
    copy = {"content": "{{ asked | to_json }}", "mode": "0600"}
    tasks = [
        {
            "ansible.builtin.copy": {**copy, "dest": str(tmp_path / f"{number}.json")},
            "vars": {"asked": headers, "_verify_policy_of_app": look["vars"]["_verify_policy_of_app"], **case},
        }
        for number, (case, _) in enumerate(CASES)
    ]
    given = {"ansible_python_interpreter": sys.executable}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given, "tasks": tasks}
    file = tmp_path / "play.yml"
    file.write_text(json.dumps([{**play, "vars_files": [str(ROLE / "defaults" / "main.yml")]}]))
    done = subprocess.run(
        [PLAYBOOK, "-i", "localhost,", file], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["verify_headers"]
    bare = {name: form for name, form in defaults.items() if name != "Content-Security-Policy"}
    asked = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(len(CASES))]
    assert asked == [defaults if policy else bare for _, policy in CASES]
