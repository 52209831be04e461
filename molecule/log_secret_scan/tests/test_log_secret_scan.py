"""Leaks that real containers write through the real engine."""

from __future__ import annotations

import base64
import gzip
import secrets
import shlex
import time
import urllib.parse

import pytest

testinfra_hosts = ["ssh://debian13"]

IMAGE = "local/sluice-base:trixie"
SCAN = "sluice.deploy.log_secret_scan"


@pytest.fixture
def secret():
    """A value made for this test, with characters that encodings change."""
    return f"{secrets.token_hex(12)}/+&\"'<{secrets.token_hex(6)}"


@pytest.fixture
def scan(run_module):
    def run(**options) -> dict:
        return run_module(SCAN, {"keywords": "off", **options})

    return run


@pytest.fixture
def log(host):
    """Let a container write bytes to its log; the bytes reach the server on standard input."""
    names: list[str] = []

    def write(text: str, *options: str, stream: int = 1, wait: bool = True) -> str:
        name = f"leak-{secrets.token_hex(4)}"
        names.append(name)
        # Zipped: one argument of a command may have 128 KiB.
        blob = base64.b64encode(gzip.compress(text.encode())).decode()
        host.check_output(
            f"echo {blob} | base64 -d | gzip -d > /run/{name} && docker run {'' if wait else '--detach'} --name {name} {' '.join(options)} "
            f"--volume /run/{name}:/text:ro {IMAGE} bash -c 'cat /text >&{stream}' >/dev/null 2>&1"
        )
        return name

    yield write
    for name in names:
        host.run(f"docker rm --force {name}; rm -f /run/{name}")


def assert_leaks(result: dict, secret: str, rule: str = "known-value") -> dict:
    """The scan failed for this reason, and nothing it said holds six bytes of the secret in a row."""
    assert result["failed"], result
    said = repr({key: value for key, value in result.items() if key != "invocation"})
    pieces = {secret[i : i + 6] for i in range(len(secret) - 5)}
    assert not [piece for piece in pieces if piece in said]
    found = [finding for finding in result["findings"] if finding["rule"] == rule]
    assert found, result["findings"]
    return found[0]


@pytest.mark.parametrize(
    "leaked",
    [
        lambda s: s,
        lambda s: urllib.parse.quote(s, safe=""),
        lambda s: base64.b64encode(b"x" + s.encode()).decode(),
        lambda s: s.encode().hex().upper(),
        shlex.quote,
    ],
    ids=["raw", "url", "base64", "hex", "shell"],
)
def test_a_known_value_in_every_form(scan, log, secret, leaked):
    name = log(f"starting\nconfig is {leaked(secret)} so far\nready\n")
    finding = assert_leaks(scan(containers=[name], secrets={"APP_SECRET": secret}), secret)
    assert finding["count"] == 1
    assert finding["stream"] == "stdout"
    assert finding["time"].startswith("20")


@pytest.mark.parametrize("driver", ["json-file", "local", "journald"])
def test_every_driver_on_standard_error(scan, log, secret, driver):
    name = log(f"oops {secret}\n", f"--log-driver {driver}", stream=2)
    finding = assert_leaks(scan(containers=[name], secrets={"APP_SECRET": secret}), secret)
    assert finding["stream"] == "stderr"


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_rotated_and_gzipped_files(scan, log, secret, driver):
    harmless = "".join(f"line {n} of nothing much to see here\n" for n in range(6000))
    options = [f"--log-driver {driver}", "--log-opt max-size=100k", "--log-opt max-file=9", "--log-opt compress=true"]
    name = log(f"first {secret}\n{harmless}", *options)
    assert_leaks(scan(containers=[name], secrets={"APP_SECRET": secret}), secret)


def test_a_value_that_docker_cuts_in_two(scan, log, secret):
    name = log("x" * (16384 - 10) + secret + "y" * 100 + "\n")
    assert_leaks(scan(containers=[name], secrets={"APP_SECRET": secret}), secret)


def test_the_python_engine_finds_it_too(scan, log, secret):
    name = log(f"oops {secret}\n")
    result = scan(containers=[name], secrets={"APP_SECRET": secret}, engine="python")
    assert_leaks(result, secret)
    assert result["engine"].startswith("python")


def test_libhs_is_what_runs_here(scan, log):
    assert "libhs" in scan(containers=[log("nothing\n")])["engine"]


def test_a_compose_project_running_or_stopped(scan, host, log, secret):
    name = log(
        f"oops {secret}\n", "--label com.docker.compose.project=crm-blue", "--label com.docker.compose.service=server"
    )
    assert_leaks(scan(project="crm-blue", secrets={"APP_SECRET": secret}), secret)
    assert host.check_output(f"docker inspect --format '{{{{.State.Running}}}}' {name}") == "false"


def test_a_build_log_and_an_image_history(scan, host, secret):
    plain = secrets.token_hex(16)
    build_log = host.check_output(
        f"printf 'FROM {IMAGE}\\nARG TOKEN\\nENV API_TOKEN=$TOKEN\\nRUN true\\n' | "
        f"docker build --no-cache --progress plain --build-arg TOKEN={plain} --tag leaky:1 - 2>&1"
    )
    host.run("rm -f /var/log/build.log")
    host.check_output(
        f"echo {base64.b64encode(build_log.encode() + plain.encode()).decode()} | base64 -d > /var/log/build.log"
    )
    try:
        assert_leaks(scan(paths=["/var/log/build.log"], secrets={"TOKEN": plain}), plain)
        assert_leaks(scan(images=["leaky:1"], secrets={"TOKEN": plain}), plain)
    finally:
        host.run("docker rmi leaky:1; rm -f /var/log/build.log")


def test_a_journal_unit(scan, host, secret):
    host.check_output(f"echo {base64.b64encode(secret.encode()).decode()} | base64 -d > /run/journal-leak")
    host.check_output(
        "systemd-run --wait --unit leaky-unit cat /run/journal-leak; journalctl --sync; rm /run/journal-leak"
    )
    assert_leaks(scan(journal_units=["leaky-unit"], secrets={"APP_SECRET": secret}), secret)


def test_a_providers_token_in_a_text(scan):
    token = "ghp_" + secrets.token_hex(18)
    result = scan(texts={"deployment log": f"cloning with {token}\n"})
    assert result["failed"]
    assert token[4:] not in repr(result["findings"])


def test_a_clean_stack_passes(scan, log, secret):
    name = log("[Nest] 1 - LOG [Auth] password reset mail sent, token expired, secret rotated\n")
    result = scan(containers=[name], secrets={"APP_SECRET": secret})
    assert not result.get("failed"), result
    assert result["findings"] == []
    assert result["bytes_scanned"] > 0


def test_words_are_a_level_of_their_own(scan, log):
    name = log("[Nest] 1 - LOG [Auth] password reset mail sent\n")
    assert not scan(containers=[name], keywords="report").get("failed")
    assert scan(containers=[name], keywords="fail")["failed"]


def test_a_second_scan_reads_only_what_is_new(scan, host, secret):
    state = f"/var/lib/scan-{secrets.token_hex(4)}.json"
    host.check_output(
        f"docker run --detach --name ticking {IMAGE} bash -c 'seq 20000; while [ ! -e /go ]; do sleep 0.1; done; seq 10; sleep 60'"
    )
    try:
        time.sleep(1)
        first = scan(containers=["ticking"], state_file=state, secrets={"APP_SECRET": secret})
        again = scan(containers=["ticking"], state_file=state, secrets={"APP_SECRET": secret})
        host.check_output("docker exec ticking touch /go; sleep 1")
        third = scan(containers=["ticking"], state_file=state, secrets={"APP_SECRET": secret})
        assert first["bytes_scanned"] > 1_000_000
        assert again["bytes_scanned"] == 0
        assert 0 < third["bytes_scanned"] < 2_000
        assert secret[:8] not in host.check_output(f"cat {state}")
    finally:
        host.run(f"docker rm --force ticking; rm -f {state}")


@pytest.mark.parametrize("driver", ["json-file", "local", "journald"])
def test_a_leak_stays_open_while_its_log_is_there(scan, host, log, secret, driver):
    state = f"/var/lib/scan-{secrets.token_hex(4)}.json"
    options = {"containers": [log(f"oops {secret}\n", f"--log-driver {driver}")], "secrets": {"APP_SECRET": secret}}
    try:
        assert assert_leaks(scan(**options, state_file=state), secret)["new"]
        again = scan(**options, state_file=state)
        assert again["bytes_scanned"] == 0
        assert not assert_leaks(again, secret)["new"]
    finally:
        host.run(f"rm -f {state}")


def test_an_exception_holds_until_it_expires(scan, log, secret):
    name = log(f"oops {secret}\n")
    options = {"containers": [name], "secrets": {"APP_SECRET": secret}, "fingerprint_key": "for this test only"}
    fingerprint = scan(**options)["findings"][0]["fingerprint"]
    exception = {"fingerprint": fingerprint, "reason": "a test"}
    assert not scan(**options, ignore=[{**exception, "expires": "2999-01-01"}]).get("failed")
    assert scan(**options, ignore=[{**exception, "expires": "2001-01-01"}])["failed"]


def test_nothing_of_the_secret_in_the_most_verbose_output(run_playbook, log, secret):
    name = log(f"oops {secret}\n")
    options = {"containers": [name], "secrets": {"APP_SECRET": secret}}
    done = run_playbook(SCAN, options, "-vvv", "--diff")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "known-value" in said
    plain = secret.split("/")[0]
    assert not [plain[i : i + 6] for i in range(len(plain) - 5) if plain[i : i + 6] in said]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"containers": ["no-such-container"]}, "no-such-container"),
        ({"paths": ["/no/such/file.log"]}, "/no/such/file.log"),
        ({"docker_host": "unix:///no/such.sock", "containers": ["x"]}, "/no/such.sock"),
        ({"texts": {"a": "b"}, "rules": [{"id": "bad", "title": "Bad", "pattern": "(("}]}, "bad"),
        ({"texts": {"a": "b"}, "since": "yesterday-ish"}, "since"),
    ],
)
def test_bad_input_is_named(scan, options, message):
    result = scan(**options)
    assert result["failed"]
    assert message in result["msg"]
    assert "Traceback" not in repr(result)


def test_a_container_without_a_log_is_told(scan, log):
    result = scan(containers=[log("lost\n", "--log-driver none")])
    assert "none" in repr(result["gate"]) + repr(result.get("msg", "")) + repr(result.get("warnings", ""))
    assert result["gate"]["status"] != "pass"


def test_a_short_secret_is_named_and_not_searched(scan, log):
    result = scan(containers=[log("abc1234 abc1234\n")], secrets={"SHORT_ONE": "abc1234"})
    assert "SHORT_ONE" in repr(result["gate"])
    assert "abc1234" not in repr({key: value for key, value in result.items() if key != "invocation"})
