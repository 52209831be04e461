# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's part of a look: three judges in one module, of which none spoils another."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.modules import verify_look

SECRET = "planted-secret-value"
IMAGES = [{"name": "web", "image": "sha256:aa", "max_size": "5MB"}, {"name": "job", "image": "sha256:aa"}]
HOST = {"results": [], "images": IMAGES, "containers": ["web"], "build_logs": ["/b"]}
ALL = {"host": {"stack": "crm"}, "images": {"analysis": "on_fail"}, "logs": {"secrets": {"A": SECRET}}}


@pytest.fixture
def look(monkeypatch, capsys):
    """What the module prints with these judges, and what each was asked."""

    def run(found=HOST, gate=None, scan=None, check=False, **params):
        asked = {}

        def answers(name, told):
            def answer(options, *write):
                asked[name] = dict(options), *write
                if isinstance(told, Exception):
                    raise told
                return told

            return answer

        monkeypatch.setattr(verify_look.hostprobe, "answer", answers("host", found))
        monkeypatch.setattr(verify_look.imagegate, "answer", answers("images", gate or {"status": "pass"}))
        monkeypatch.setattr(verify_look.secretscan, "answer", answers("logs", scan or {"gate": {}}))
        with patch_module_args({**params, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            verify_look.main()
        return json.loads(capsys.readouterr().out), asked

    return run


@pytest.mark.parametrize("check", [False, True])
def test_the_judges_are_asked_for_what_was_found_on_the_host(look, check):
    told, asked = look(**ALL, check=check)
    assert asked["host"][0]["stack"] == "crm" and asked["host"][0]["min_disk"] == "2GB"
    assert asked["images"][0]["images"] == IMAGES and asked["images"][0]["analysis"] == "on_fail"
    scan, write = asked["logs"]
    assert (scan["containers"], scan["paths"], scan["images"]) == (["web"], ["/b"], ["sha256:aa"])
    assert scan["secrets"] == {"A": SECRET} and write is not check
    assert told["host"] == HOST and told["images"]["status"] == "pass" and not told["changed"]


def test_what_there_is_nothing_of_is_not_told(look):
    told, asked = look(found={**HOST, "images": [], "containers": []}, **ALL)
    assert set(asked) == {"host"} and "images" not in told and "logs" not in told


def test_a_judge_that_breaks_leaves_the_others_and_shows_nothing(look):
    told, _ = look(**ALL, scan=ValueError(f"a piece of a log: {SECRET}"))
    assert told["logs"]["failed"] and "ValueError" in told["logs"]["msg"] and told["host"] == HOST
    assert SECRET not in json.dumps(told)
    told, _ = look(**ALL, gate=UserError("no engine"))
    assert told["images"]["failed"] and told["logs"] == {"gate": {}}


def test_no_secret_is_printed_and_no_harmless_word_is_masked(look):
    told, _ = look(**ALL, scan={"gate": {"evidence": [f"found {SECRET}", "on_fail", "crm"]}})
    assert SECRET not in json.dumps(told) and told["logs"]["gate"]["evidence"][1:] == ["on_fail", "crm"]


@pytest.mark.parametrize(
    ("part", "options", "word"),
    [
        ("host", {"stack": "crm", "max_restarts": "many"}, "max_restarts"),
        ("logs", {"trheads": 2}, "trheads"),
        ("logs", {"secrets": [SECRET]}, "secrets"),
    ],
)
def test_an_option_of_a_wrong_form_is_told_by_its_part(look, part, options, word):
    told, _ = look(**{**ALL, part: options})
    assert told[part]["failed"] and word in told[part]["msg"]
