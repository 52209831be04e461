# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.answer import with_certificates
from ansible_collections.sluice.deploy.plugins.modules import image_size_gate
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import docker_archive, tar


@pytest.fixture
def run(capsys):
    def run_module(**arguments):
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            image_size_gate.main()
        return ended.value.code, json.loads(capsys.readouterr().out)

    return run_module


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "app.tar"
    path.write_bytes(docker_archive([tar([("a", b"1" * 1000)])], env=["APP_SECRET=hunter2-synthetic"]))
    return str(path)


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_image_within_its_limits_passes(run, archive, check_mode):
    code, result = run(archive=archive, max_size=1000, fail_on=["size"], _ansible_check_mode=check_mode)
    assert (code, result["changed"], result["status"]) == (0, False, "warn")
    assert result["images"][0]["size"] == 1000


def test_a_failed_gate_fails_the_task_and_still_returns_all(run, archive):
    code, result = run(archive=archive, max_size=999)
    assert code == 1
    assert result["failed"]
    assert result["msg"].startswith("image_size.app: 1.0 kB, limit 999 B")
    assert "image_secret_names.app: 1, limit 0; pass secrets while building" in result["msg"]
    assert result["images"][0]["size"] == 1000
    assert "hunter2" not in json.dumps(result)


def test_nothing_that_an_image_says_moves_the_terminal(run, tmp_path):
    path = tmp_path / "app.tar"
    path.write_bytes(docker_archive([tar([("a\x1b[2J", b"1" * 1000)])], env=["\x1b[2JAPP_SECRET=hunter2-synthetic"]))
    assert "\x1b" not in run(archive=str(path), max_size=999)[1]["msg"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "one of the following is required: images, project, archive"),
        ({"archive": "/nowhere"}, "archive: cannot read /nowhere"),
        ({"archive": "/nowhere", "max_size": "5Mbit"}, "max_size: '5Mbit' has the unknown unit"),
        ({"archive": "/x", "images": ["a"]}, "mutually exclusive"),
        ({"images": ["a"], "client_cert": "/x"}, "required together: client_cert, client_key"),
    ],
)
def test_wrong_input_is_one_message(run, arguments, says):
    code, result = run(**arguments)
    assert code == 1
    assert says in result["msg"]
    assert "Traceback" not in json.dumps(result)


def test_certificates_come_from_where_docker_looks_for_them(monkeypatch):
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certs")
    options = {"tls": True, "ca_path": None, "client_cert": "/own.pem", "client_key": None}
    found = with_certificates(options)
    assert (found["ca_path"], found["client_cert"], found["client_key"]) == (
        "/certs/ca.pem",
        "/own.pem",
        "/certs/key.pem",
    )
    assert with_certificates({**options, "tls": False})["ca_path"] is None


def test_the_documentation_lists_the_options_as_they_are():
    documented = yaml.safe_load(image_size_gate.DOCUMENTATION)["options"]
    assert documented.keys() == image_size_gate.ARGUMENT_SPEC.keys()
    for name, option in image_size_gate.ARGUMENT_SPEC.items():
        for key in ("type", "elements", "choices", "default"):
            assert documented[name].get(key) == option.get(key), (name, key)
