"""The stand-in against the record of a real server: the same requests, the same answers."""

from __future__ import annotations

import json

import pytest

from ansible_collections.sluice.deploy.tests.standin_dokploy import pairs
from ansible_collections.sluice.deploy.tests.standin_dokploy.pairs import RECORD, Run, differences


@pytest.fixture
def answers(dokploy, monkeypatch):
    monkeypatch.setattr(pairs, "pause", lambda seconds: None)
    dokploy.standin.sign_in_limit = 1000
    dokploy.standin.deployer.queue_delay = 0.5
    dokploy.engine.clone_failure = "fatal: Could not read from remote repository."
    return Run(dokploy.standin.url, "ops@example.com", "real-Password-1", new=True).steps()


def test_the_stand_in_answers_as_the_real_server_did(answers):
    recorded = json.loads(RECORD.read_text())
    assert differences(answers, recorded) == []
    assert [answer["step"] for answer in answers] == [answer["step"] for answer in recorded]


def test_a_server_that_answers_otherwise_is_found(answers):
    recorded = json.loads(RECORD.read_text())
    step = next(answer for answer in recorded if answer["step"] == "no such file")
    step["status"], recorded[0]["body"]["code"] = 200, 5
    assert [line.split(":")[0] for line in differences(answers, recorded)] == [
        f"{recorded[0]['step']}.code",
        step["step"],
    ]
