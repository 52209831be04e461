"""Secrets arrive in the containers byte for byte, and nowhere else."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
import yaml
from conftest import PROJECT, SCENARIO, STATE

testinfra_hosts = ["ssh://debian13"]

WATCHER = """
import glob, os, sys, time
seen = set()
while not os.path.exists("/root/watched"):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            seen.add(open(path, "rb").read())
        except OSError:
            pass
    time.sleep(0.01)
sys.stdout.buffer.write(b"\\n".join(seen))
"""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory) -> dict[str, str]:
    """The values as Ansible templates them."""
    place = tmp_path_factory.mktemp("secrets") / "values.json"
    argv = [
        "ansible",
        "localhost",
        "-m",
        "ansible.builtin.copy",
        "-a",
        f"content={{{{ stack_secrets | to_json }}}} dest={place}",
    ]
    argv += ["-e", f"@{SCENARIO}/vars/stack.yml", "-e", f"molecule_cache={PROJECT}/.cache/compose_stack"]
    subprocess.run(argv, capture_output=True, check=True, cwd=PROJECT)
    return json.loads(place.read_text())


def inside(host, container: str, expression: str) -> str:
    """A JavaScript expression's value in a container, so that no shell touches the bytes."""
    script = f"process.stdout.write(JSON.stringify({expression}))"
    return json.loads(host.check_output("docker exec %s node -e %s", container, script))


def test_every_byte_arrives(host, serving, standing, secrets):
    name = f"crm-{serving()['current']['colour']}-server"
    awkward = inside(host, name, "process.env.AWKWARD")
    assert awkward == secrets["AWKWARD"]
    for character in "#$'\"\\ \n\t€😀{}`":
        assert character in awkward
    for secret in ("PG_DATABASE_URL", "APP_SECRET", "DEMO_ADMIN_PASSWORD"):
        text = inside(host, name, f"require('fs').readFileSync(process.env.{secret}_FILE, 'utf8')")
        assert text == secrets[secret]


def test_file_secrets_are_not_in_docker_inspect(host, standing, secrets):
    shown = host.check_output("docker inspect $(docker ps --all --quiet)")
    for secret in ("PG_PASSWORD", "PG_DATABASE_URL", "APP_SECRET", "DEMO_ADMIN_PASSWORD"):
        assert json.dumps(secrets[secret])[1:-1] not in shown


def test_no_secret_in_any_output(host, play, standing, secrets):
    """Checked, with a diff, at the highest verbosity, of a release that does everything."""
    output = play.well("--diff", "-vvvv", "--check", demo_version=standing.there).output
    output += play.well("--diff", "-vvvv", demo_version=standing.there).output
    output += play("--diff", "-vvvv", demo_version=standing.here, demo_break="secret-in-log").output
    assert "log_secrets" in output
    for name, value in secrets.items():
        for form in {value, value.strip(), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
            assert form not in output, f"{name} was printed"


def test_no_secret_on_a_command_line(host, play, standing, secrets):
    """Every command line on the server is noted while a release runs."""
    host.check_output("rm -f /root/watched && printf %%s %s > /root/watch.py", WATCHER)
    host.check_output("setsid python3 /root/watch.py > /root/seen < /dev/null 2>&1 & echo started")
    try:
        play.well(demo_version=standing.there)
    finally:
        running = "pgrep -f '^python3 /root/watch.py' > /dev/null"
        host.check_output(f"touch /root/watched && while {running}; do sleep 0.2; done")
    seen = host.check_output("base64 -w0 /root/seen")
    text = base64.b64decode(seen).decode(errors="replace")
    for program in ("docker\0compose", "pg_dump", "/usr/local/sbin/edge-switch"):
        assert program in text
    for name, value in secrets.items():
        for line in filter(None, (part.strip() for part in value.splitlines())):
            assert line not in text, f"{name} stood on a command line"


def test_only_the_files_for_it_hold_a_secret(host, serving, standing, secrets):
    for name, value in secrets.items():
        first = value.splitlines()[0].strip()[:20]
        found = host.run("grep -rlF -e %s /var/lib/sluice", first).stdout.split()
        for path in found:
            kept = path.endswith("/secrets.yml") or "/secrets/" in path
            assert kept, f"{name} stands in {path}"
            assert host.file(path).mode in (0o600, 0o400), path
    current = serving()["current"]["release"]
    compose = yaml.safe_load(host.check_output(f"cat {STATE}/releases/{current}/compose.yml"))
    assert "AWKWARD" not in compose["services"]["server"]["environment"]


def test_no_secret_in_an_image(host, standing, secrets):
    history = host.check_output(
        "docker image ls --quiet | sort -u | xargs -I+ sh -c 'docker history --no-trunc +; docker image inspect +'"
    )
    for value in secrets.values():
        assert value.splitlines()[0] not in history
