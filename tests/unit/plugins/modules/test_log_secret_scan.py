# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module as Ansible runs it: its result, its refusals, and that no secret's bytes leave it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECRETS = {"APP": "zK8fj2LqP0xYw7", "DB": "p@ss w0rd/$x#1", "PIN": "e1"}
MODULE = "ansible_collections.sluice.deploy.plugins.modules.log_secret_scan"
ROOT = Path(__file__).resolve().parents[4]


# A scan that fails with a piece of the log in its message.
DEFECT = """
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import scan
def fail(self, log):
    raise ValueError(log.reader._data.getvalue())
scan.Scanner.scan = fail
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the module in a process of its own; answers its result and everything it printed."""
    home = tmp_path_factory.mktemp("home")
    paths = [path for path in sys.path if path] + [str(ROOT / ".collections")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HOME": str(home)}

    def run(_defect: str = "", **options: Any) -> tuple[dict[str, Any], str]:
        basic = {"_ansible_remote_tmp": str(home), "_ansible_no_log": False, "_ansible_verbosity": 4}
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, **basic}})
        start = f"import runpy; runpy.run_module({MODULE!r}, run_name='__main__')"
        profile = "import ansible.module_utils.basic as b; b._ANSIBLE_PROFILE = 'legacy'\n"
        done = subprocess.run(
            [sys.executable, "-c", profile + _defect + start],
            input=arguments,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        shown = done.stdout + done.stderr
        return json.loads(done.stdout), shown

    return run


def assert_hidden(shown: str) -> None:
    for name, secret in SECRETS.items():
        pieces = [secret[i : i + 6] for i in range(len(secret) - 5)]
        assert not [number for number, piece in enumerate(pieces) if piece in shown], f"a piece of {name} is shown"


def test_a_leak_fails_and_shows_nothing_of_the_secret(call: Any, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(
        f"connect {SECRETS['APP']} as e1\nurl p%40ss%20w0rd%2F%24x%231\n{'x' * 70}{SECRETS['DB']}{SECRETS['APP']}\n"
    )
    result, shown = call(paths=[str(log)], secrets=SECRETS, engine="python")
    assert result["failed"]
    assert {finding["title"] for finding in result["findings"]} == {"Value of APP", "Value of DB"}
    assert result["gate"]["status"] == "fail"
    assert result["too_short"] == ["PIN"]
    assert_hidden(shown)
    # A short value masks nothing else: the names with "e1" in them, as in the path, stay readable.
    assert result["invocation"]["module_args"]["secrets"] == "3 not shown"


def test_enforce_false_reports_without_failing(call: Any) -> None:
    result, shown = call(texts={"build": f"using {SECRETS['APP']}"}, secrets=SECRETS, enforce=False, engine="python")
    assert not result.get("failed")
    assert result["gate"]["status"] == "fail"
    assert_hidden(shown)


def test_a_clean_text_passes(call: Any) -> None:
    result, _shown = call(texts={"build": "all is well, token expired"}, secrets=SECRETS, engine="python")
    assert result["gate"]["status"] == "pass"
    assert result["keyword_lines"] == 1
    assert not result["changed"]


@pytest.mark.parametrize(("level", "status"), [("report", "pass"), ("warn", "warn"), ("fail", "fail"), ("off", "pass")])
def test_keywords_have_a_level_of_their_own(call: Any, level: str, status: str) -> None:
    result, _shown = call(texts={"build": "token expired"}, keywords=level, enforce=False, engine="python")
    assert result["gate"]["status"] == status


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rules": [{"id": "bad", "title": "Bad", "pattern": "bad_(a+)+"}]}, "rule 'bad'"),
        ({"since": "sometime"}, "since: 'sometime'"),
        ({"containers": ["web"], "docker_host": "unix:///nowhere.sock"}, "no engine answers"),
        ({"threads": -1}, "threads: -1"),
        ({"disable_rules": ["github-pet"]}, "did you mean 'github-pat'"),
    ],
)
def test_bad_input_is_one_plain_sentence(call: Any, options: dict[str, Any], reason: str) -> None:
    result, shown = call(texts={"t": SECRETS["APP"]}, secrets=SECRETS, **options)
    assert result["failed"]
    assert reason in result["msg"]
    assert "Traceback" not in shown
    assert_hidden(shown)


def test_check_mode_writes_no_state(call: Any, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("quiet\n")
    state = tmp_path / "state.json"
    call(paths=[str(log)], state_file=str(state), engine="python", _ansible_check_mode=True)
    assert not state.exists()
    call(paths=[str(log)], state_file=str(state), engine="python")
    assert state.exists()


def test_a_defect_shows_neither_its_text_nor_a_traceback(call: Any) -> None:
    """Whatever breaks inside could have a piece of a log in its message."""
    result, shown = call(texts={"t": f"connect {SECRETS['APP']}"}, secrets=SECRETS, _defect=DEFECT)
    assert result["failed"]
    assert "unexpected ValueError" in result["msg"]
    assert "Traceback" not in shown
    assert_hidden(shown)
