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
HOST = {"results": [], "containers": ["web"]}
ALL = {"site": SITE, "host": {"stack": "crm"}, "images": {"analysis": "on_fail"}, "logs": {"secrets": {"A": SECRET}}}


def look(args, monkeypatch, answer=None, found=None):
    """The action's result, and what was asked on the host."""
    asked = []

    def probe(wishes):
        if isinstance(found, Exception):
            raise found
        return [gate_result("site.front", "Front", "pass")]

    def execute(module_args, task_vars):
        asked.append(module_args)
        return answer or {"changed": False, **dict.fromkeys(module_args, HOST), "invocation": {"all": module_args}}

    monkeypatch.setattr(verify_look, "probe", probe)
    task = MagicMock(args=args, async_val=0, check_mode=False, diff=False)
    action = verify_look.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(action, "_execute_module", execute)
    return action.run(task_vars={}), asked


def test_all_is_looked_at_with_one_module_and_nothing_that_was_sent_comes_back(monkeypatch):
    told, asked = look(ALL, monkeypatch)
    assert asked == [{part: ALL[part] for part in ("host", "images", "logs")}]
    assert told["site"]["status"] == "pass" and told["host"]["containers"] == ["web"]
    assert SECRET not in json.dumps(told)


def test_a_deployment_that_is_no_site_is_looked_at_on_its_host_alone(monkeypatch):
    told, asked = look({"host": {"stack": "crm"}}, monkeypatch)
    assert told["site"] == {"skipped": True} and asked == [{"host": {"stack": "crm"}}]


def test_what_is_not_asked_for_or_not_told_is_skipped(monkeypatch):
    told, asked = look({"site": SITE}, monkeypatch)
    assert asked == [] and all(told[part] == {"skipped": True} for part in ("host", "images", "logs"))
    told, _ = look(ALL, monkeypatch, answer={"host": HOST})
    assert told["host"] == HOST and told["images"] == told["logs"] == {"skipped": True}


def test_a_host_whose_python_fails_is_a_failure_of_its_part(monkeypatch):
    told, _ = look(ALL, monkeypatch, answer={"failed": True, "msg": "no python3 there"})
    assert told["host"] == {"failed": True, "msg": "no python3 there"} and told["site"]["status"] == "pass"


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
        look(ALL, monkeypatch, answer={"unreachable": True, "msg": "no route"})
