"""Each way to fail ends with the old version answering, nothing left over, and a message that says what to do."""

from __future__ import annotations

import os
import signal

import pytest
from waiting import eventually

testinfra_hosts = ["ssh://debian13"]
STATE = "/var/lib/sluice/stacks/crm"
RUNNING = "docker ps --format '{{.Names}}'"
PERSONAL = "$(python3 -m site --user-site)"

# Python reads it at its start: trouble comes as the operation's own process enters a step, once.
TROUBLED = """
import os, pathlib, sys
wanted, met = pathlib.Path("/root/trouble"), pathlib.Path("/root/met")

def watch(frame, event, _):
    name = frame.f_locals.get("name") if event == "call" and frame.f_code.co_name == "step" else None
    step, command = wanted.read_text().split(None, 1) if name and wanted.exists() else ("", "")
    if name and name == step:
        wanted.rename(met)
        os.system(command)

if wanted.exists():
    sys.setprofile(watch)
"""
TROUBLES = {
    "killed": "kill -9 $PPID",
    "the engine restarts": "systemctl reset-failed docker; systemctl restart docker",
    "the engine stands still": "systemd-run --quiet --on-active=20 systemctl kill --signal=CONT docker;"
    " systemctl kill --signal=STOP docker",
}

# Of a release's steps before it is written, none changes anything on the server.
STEPS = {
    "release": (
        [
            "write",
            "journal",
            "stateful",
            "dump",
            "pre_release",
            "start",
            "workers",
            "gates",
            "switch",
            "drain",
            "record",
            "hand_over",
            "stop_old",
        ]
    ),
    "rollback": ["choose", "start", "gates", "switch", "drain", "record", "stop_old"],
    "restore": ["verify", "prove", "dump", "unpack", "stop", "restore", "start"],
}

BAD_BUILD = "FROM local/sluice-demo-front:1 AS a\nRUN exit 7\nFROM local/sluice-demo-front:1\nCOPY --from=a /app/dist .\nUSER 1000\n"


def build_of(dockerfile: str, host) -> dict:
    host.check_output("mkdir -p /srv/trial && touch /srv/trial/.dockerignore")
    host.check_output("printf %s > /srv/trial/Dockerfile", dockerfile)
    return {"front": {"build": {"context": "/srv/trial"}, "image": None}}


# Settings of a release of the version that does not serve, unless they name one; and what must be said.
CASES = {
    "image missing": (
        {"demo_version": "nope"},
        ["failed at step images", "local/sluice-demo-server:nope cannot be pulled", "docker_host_registries"],
    ),
    "image too large": (
        {"demo_changes": {"front": {"max_size": "1MB"}}},
        ["failed at step image_gates", "gate image_size.front failed"],
    ),
    "migration fails": (
        {"demo_break": "migration"},
        ["failed at step pre_release", "the pre-release hook ended with status"],
    ),
    "never healthy": (
        {
            "demo_break": "unhealthy",
            "demo_changes": {"server": {"health": {"start_period": "2s", "interval": "1s"}}},
        },
        ["failed at step start", "service server is unhealthy"],
    ),
    "crash at start": ({"demo_break": "crash"}, ["failed at step start", "service server"]),
    # All of its services do; which is seen first is a matter of pace.
    "crash after start": ({"demo_break": "crash-later"}, ["crashed", "was restarted"]),
    "dead worker": (
        {
            "demo_break": "dead-worker",
            "demo_changes": {"worker": {"health": {"start_period": "2s", "interval": "1s"}}},
        },
        ["failed at step workers", "service worker"],
    ),
    "secret in the log": (
        {"demo_break": "secret-in-log"},
        ["failed at step gates", "gate log_secrets failed", "Value of APP_SECRET in text server"],
    ),
    "too little room on the disk": (
        {"compose_stack_minimum_free": "900TB"},
        ["failed at step preflight", "gate disk failed", "docker image prune"],
    ),
}


# Units try the same steps and gates.
LONG = ("image too large", "crash at start", "dead worker", "too little room on the disk")

# At the roots of a description, of a service and of the secrets, in one answer or in one each.
MISTAKES = (
    (
        {
            "stack_rotues": [],
            "stack_routes": [{"path": "/", "service": "frnt"}],
            "demo_changes": {"front": {"health": None}},
        },
        (
            "stack_rotues: unknown key (did you mean 'routes'?)",
            "stack_routes[0].service: no service 'frnt'",
            "stack_services.front.health is missing",
        ),
    ),
    ({"stack_secrets": {"APP_SECRET": "changeme"}}, ("stack_secrets.APP_SECRET is a placeholder",)),
)


def test_a_mistake_is_named_before_anything_changes(host, play, whole, standing):
    before = host.check_output(f"find {STATE} -printf '%p %T@\\n'")
    for settings, said in MISTAKES:
        played = play(**settings)
        assert played.status != 0
        for text in said:
            assert text in played.output
    assert host.check_output(f"find {STATE} -printf '%p %T@\\n'") == before
    whole(standing.here)


@pytest.mark.parametrize(
    ("settings", "said"),
    [pytest.param(*case, id=name, marks=[pytest.mark.long] * (name in LONG)) for name, case in CASES.items()],
)
def test_a_release_that_fails(play, whole, standing, settings, said):
    played = play(**{"demo_version": standing.there, **settings})
    assert played.status != 0, played.output
    for text in [*said, "serves as before", "Next: "]:
        assert text in played.output
    assert "Traceback" not in played.output
    whole(standing.here)


def test_a_build_that_fails(host, play, whole, standing):
    played = play(demo_version=standing.there, demo_changes=build_of(BAD_BUILD, host))
    assert played.status != 0
    assert "the image of service front does not build" in played.output
    assert "exit code: 7" in played.output
    whole(standing.here)


def test_a_dockerfile_that_the_gate_refuses(host, play, whole, standing):
    changes = build_of("FROM local/sluice-demo-front:1\nARG API_TOKEN=x\nUSER root\n", host)
    played = play(demo_version=standing.there, demo_changes=changes)
    assert played.status != 0
    for text in ("gate dockerfile.front failed", "one stage only", "ARG API_TOKEN", "runs as root"):
        assert text in played.output
    whole(standing.here)


def test_an_edge_that_refuses(host, play, whole, standing):
    host.check_output("touch /etc/nginx/refuse")
    try:
        played = play(demo_version=standing.there)
    finally:
        host.check_output("rm /etc/nginx/refuse")
    assert played.status != 0
    assert "failed at step switch: the edge refused: the edge was told to refuse" in played.output
    whole(standing.here)


def test_two_releases_at_once(host, play, whole, standing):
    first = play.start(demo_version=standing.there)
    # It stands still for the other's time: on a busy machine it would be done before the other has begun.
    host.check_output(f"timeout 60 sh -c 'until test -s {STATE}/lock; do sleep 0.05; done'")
    holder = host.check_output(f"""sed 's/.*"pid": \\([0-9]*\\).*/\\1/' {STATE}/lock""")
    host.check_output(f"kill -STOP {holder}")
    try:
        refused = play(demo_version=standing.here, compose_stack_lock_wait=0)
    finally:
        host.check_output(f"kill -CONT {holder}")
    second = play.well(demo_version=standing.there)
    assert first.wait() == 0, first.communicate()[0]
    assert refused.status != 0
    assert "holds the lock" in refused.output
    assert "changed=0" in second.output
    whole(standing.there)


MOMENTS = {
    "during the migration": f"{RUNNING} | grep -q once",
    "while the new services start": f"test -e {STATE}/journal.json && test $({RUNNING} | grep -c server) = 2",
}


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=list(MOMENTS))
def test_everything_killed(host, play, whole, served, standing, moment):
    """kill -9 of the module on the server and of the play, while what they started goes on; then a second run."""
    run = play.start(demo_version=standing.there)
    kill = f"""kill -9 $(sed 's/.*"pid": \\([0-9]*\\).*/\\1/' {STATE}/lock)"""
    host.check_output("timeout 90 sh -c %s 2>/dev/null", f"until {moment}; do sleep 0.05; done; {kill}")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert host.file(f"{STATE}/journal.json").exists
    assert served() == standing.here
    played = play.well(demo_version=standing.there)
    assert "An interrupted release of" in played.output
    whole(standing.there)


@pytest.fixture
def trouble(host):
    """Call it with a step and a command that whoever enters the step runs first; call what it answers for whether
    that happened."""

    def arrange(step: str, command: str):
        host.check_output("rm -f /root/met; printf %s >/root/trouble", f"{step} {command}")
        return lambda: host.file("/root/met").exists

    host.check_output(f"mkdir -p {PERSONAL} && printf %s > {PERSONAL}/usercustomize.py", TROUBLED)
    yield arrange
    host.check_output(f"rm -f {PERSONAL}/usercustomize.py /root/trouble /root/met")


@pytest.mark.long
@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize("operation", STEPS)
def test_trouble_at_step_after_step(play, whole, served, standing, trouble, operation, kind):
    """Each run finds what the one before left, and meets the trouble at a later step; one that may live ends it."""
    if operation == "restore":
        play.well(state="backup")
    versions, missed = (standing.here, standing.there), []
    for step in STEPS[operation]:
        met = trouble(step, TROUBLES[kind])
        # One that got through in spite of the trouble serves; the next has something to do again.
        wanted = standing.here if served() == standing.there else standing.there
        played = play(state=operation) if operation != "release" else play(demo_version=wanted)
        if not met():
            missed.append(step)
            continue
        assert "Traceback" not in played.output, f"{step}:\n{played.output}"
        assert kind != "killed" or played.status, f"it outlived {step}:\n{played.output}"
        # Containers that went down with the engine come back; a restore that was cut short has the page.
        eventually(lambda: served() in (versions if operation != "restore" else (*versions, None)), 30)
    assert len(missed) < len(STEPS[operation]) / 2, missed
    if operation == "restore":
        play.well(state="restore")
    play.well(demo_version=standing.there)
    whole(standing.there)
