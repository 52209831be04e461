"""One task looks from outside and on the host, and what one of the two cannot tell leaves the other."""

from __future__ import annotations

import json
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.sluice.deploy.plugins.action import verify_look
from ansible_collections.sluice.deploy.plugins.module_utils.results import gate_result

SECRET = "planted-secret-value"
SITE = {"domain": "crm.example.com", "login_secrets": {"password": SECRET}}
HOST = {"results": [], "images": [{"name": "web", "image": "sha256:aa"}], "containers": ["web"], "build_logs": ["/b"]}
ALL = {"site": SITE, "host": {"stack": "crm"}, "images": {"analysis": "on_fail"}, "logs": {"secrets": {"A": SECRET}}}


def look(args, monkeypatch, host=None, found=None):
    """The action's result, and which modules ran on the host with which options."""
    ran = {}

    def probe(wishes):
        if isinstance(found, Exception):
            raise found
        return [gate_result("site.front", "Front", "pass")]

    def execute(module_name, module_args, task_vars):
        ran[module_name.rpartition(".")[2]] = module_args
        answer = (host or HOST) if module_name.endswith("host_probe") else {"gate": {}}
        return {**answer, "invocation": {"module_args": module_args}}

    monkeypatch.setattr(verify_look, "probe", probe)
    task = MagicMock(args=args, async_val=0, check_mode=False, diff=False)
    action = verify_look.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(action, "_execute_module", execute)
    return action.run(task_vars={}), ran


def test_all_is_looked_at_and_nothing_that_was_sent_comes_back(monkeypatch):
    told, ran = look(ALL, monkeypatch)
    assert ran["image_size_gate"] == {"analysis": "on_fail", "images": HOST["images"]}
    assert ran["log_secret_scan"] == {
        "secrets": {"A": SECRET},
        "containers": ["web"],
        "paths": ["/b"],
        "images": ["sha256:aa"],
    }
    assert told["site"]["status"] == "pass" and told["host"]["containers"] == ["web"]
    assert SECRET not in json.dumps(told)


def test_a_deployment_that_is_no_site_is_looked_at_on_its_host_alone(monkeypatch):
    told, ran = look({"host": {"stack": "crm"}}, monkeypatch)
    assert told["site"] == {"skipped": True} and list(ran) == ["host_probe"]


def test_what_is_not_asked_for_is_skipped(monkeypatch):
    told, ran = look({"site": SITE}, monkeypatch)
    assert ran == {} and all(told[part] == {"skipped": True} for part in ("host", "images", "logs"))
    _, ran = look(ALL, monkeypatch, host={"results": [], "images": [], "containers": []})
    assert list(ran) == ["host_probe"]


@pytest.mark.parametrize("error", [ValueError(f"Invalid header value {SECRET}"), RecursionError(SECRET)])
def test_a_defect_outside_leaves_the_host_and_no_secret(error, monkeypatch):
    told, _ = look(ALL, monkeypatch, found=error)
    assert told["site"]["failed"] and told["host"]["containers"] == ["web"]
    assert SECRET not in json.dumps(told)


def test_a_setting_of_a_wrong_form_is_told(monkeypatch):
    told, _ = look({"site": {**SITE, "https_port": "x"}}, monkeypatch)
    assert told["site"]["failed"] and "https_port" in told["site"]["msg"]


def test_a_host_that_is_gone_is_unreachable(monkeypatch):
    with pytest.raises(AnsibleConnectionFailure):
        look(ALL, monkeypatch, host={"unreachable": True, "msg": "no route"})
