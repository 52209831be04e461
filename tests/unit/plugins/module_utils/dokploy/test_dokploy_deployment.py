from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.deployment import (
    Clock,
    Deployer,
    Timeline,
    newest,
    reasons_to_deploy,
    revision_of,
)
from ansible_collections.sluice.deploy.plugins.module_utils.errors import DeploymentFailedError, DokployError

JOB = {"data": {"composeId": "c1"}, "state": "waiting"}
OTHER_JOB = {"data": {"composeId": "c2"}, "state": "waiting"}
AWAY = DokployError("away", temporary=True)


def row(name, status, at=1):
    return {"deploymentId": name, "status": status, "createdAt": f"2026-01-01T00:00:{at:02d}.000Z"}


class Script:
    """Answers one step after the other, the last one for ever; time passes with each sleep."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.posts = []
        self.time = 0.0
        self.step = steps[0]

    def get(self, procedure, **_query):
        if procedure == "deployment.allByCompose":
            self.step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
            if isinstance(self.step, DokployError):
                raise self.step
            return self.step[0]
        if procedure == "deployment.queueList":
            return [] if isinstance(self.step, DokployError) else self.step[1]
        raise AssertionError(procedure)

    def post(self, procedure, timeout=None, **body):
        self.posts.append((procedure, body))

    def run(self, timeout=600.0, **options):
        def sleep(seconds):
            self.time += seconds

        deployer = Deployer(self, "c1", timeout=timeout, timeline=Timeline(Clock(lambda: self.time, sleep)))
        try:
            return deployer.run("title", **options)
        finally:
            self.timeline = deployer.timeline.lines


OLD = row("old", "done", 1)


def test_the_previous_done_is_not_taken_for_ours():
    script = Script(
        ([OLD], []), ([OLD], [JOB]), ([row("new", "running", 2), OLD], []), ([row("new", "done", 2), OLD], [])
    )
    assert script.run()["deploymentId"] == "new"
    assert script.posts == [("compose.deploy", {"composeId": "c1", "title": "title"})]
    assert script.timeline == ["0 s: queued", "2 s: running", "4 s: done"]


def test_the_commit_is_waited_for_until_the_job_has_ended():
    done, told = row("new", "done", 2), {**row("new", "done", 2), "description": "Commit: abcdef0"}
    script = Script(([], []), ([done], [JOB]), ([done], [JOB]), ([told], [JOB]), ([done], []))
    assert revision_of(script.run(commits=True)) == "abcdef0"
    unknown = Script(([], []), ([done], [JOB]), ([done], []))
    assert revision_of(unknown.run(commits=True)) == ""
    endless = Script(([], []), ([done], []), ([done], [JOB]))
    assert revision_of(endless.run(commits=True)) == "" and endless.time <= 61


@pytest.mark.parametrize(
    ("status", "message"),
    [("error", "the deployment failed"), ("cancelled", "was cancelled, by hand or by a restart")],
)
def test_what_did_not_end_well(status, message):
    script = Script(([OLD], []), ([row("new", status, 2), OLD], []))
    with pytest.raises(DeploymentFailedError, match=message) as error:
        script.run()
    assert error.value.deployment_id == "new"


def test_a_job_that_leaves_the_queue_without_a_row_has_vanished():
    script = Script(([OLD], []), ([OLD], [JOB]), ([OLD], [OTHER_JOB]))
    with pytest.raises(DeploymentFailedError, match="vanished"):
        script.run()
    assert 15 < script.time < 30


def test_a_row_that_disappears_has_vanished():
    script = Script(([OLD], []), ([row("new", "running", 2)], []), ([OLD], []))
    with pytest.raises(DeploymentFailedError, match="vanished") as error:
        script.run()
    assert error.value.deployment_id == "new"


def test_a_server_that_is_away_for_a_while_is_waited_for():
    script = Script(([], []), ([row("new", "running", 2)], []), *[AWAY] * 20, ([row("new", "done", 2)], []))
    assert script.run()["status"] == "done"
    assert any("does not answer" in line for line in script.timeline)


def test_another_running_deployment_is_let_end_first():
    other = row("other", "done")
    script = Script(([row("other", "running")], []), ([other], []), ([row("new", "done", 2), other], []))
    assert script.run()["deploymentId"] == "new"
    assert script.timeline[0] == "0 s: another deployment of this service is under way"
    queued = Script(
        ([OLD], [JOB]), ([row("theirs", "done", 2)], []), ([row("new", "done", 3), row("theirs", "done", 2)], [])
    )
    assert queued.run()["deploymentId"] == "new"


def test_of_two_new_ones_the_older_is_ours_and_stays_ours():
    theirs, ours = row("theirs", "running", 3), row("ours", "running", 2)
    script = Script(([], []), ([theirs, ours], []), ([row("theirs", "error", 3), row("ours", "done", 2)], []))
    assert script.run()["deploymentId"] == "ours"


def test_time_out_names_what_was_waited_for():
    with pytest.raises(DeploymentFailedError, match="waited 60 s for the deployment"):
        Script(([], []), ([row("new", "running", 2)], [])).run(timeout=60)
    with pytest.raises(DeploymentFailedError, match="another deployment of this service to end"):
        Script(([row("x", "running")], [])).run(timeout=10)


def test_newest_does_not_trust_the_order():
    assert newest([row("a", "done", 1), row("b", "done", 3), row("c", "done", 2)])["deploymentId"] == "b"
    assert newest([]) is None


def test_revision():
    assert revision_of({"description": "Commit: 3239769c9eab"}) == "3239769c9eab"
    assert revision_of({"description": ""}) == "" and revision_of(None) == ""


def reasons(status="done", compose_status="done", mark="m", wanted="m", revision="", force=False, description=""):
    compose = {"deployments": [{**row("d", status), "description": description}], "composeStatus": compose_status}
    return reasons_to_deploy(compose, mark=mark, wanted_mark=wanted, revision=revision, force=force)


def test_reasons():
    assert reasons() == []
    assert reasons_to_deploy({}, mark="", wanted_mark="x", revision="", force=False) == ["it was never deployed"]
    assert "changed since" in reasons(wanted="n")[0]
    assert "not deployed" in reasons(mark="")[0]
    assert "ended as cancelled" in reasons(status="cancelled")[0]
    assert reasons(compose_status="idle") == ["it is stopped"]
    assert reasons(force=True) == ["asked for (force)"]
    assert reasons(revision="abc1234", description="Commit: abc1234def") == []
    assert "none was deployed" in reasons(revision="abc1234")[0]
