"""That nothing of a service is lost on the way into the description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]

EVERYTHING = r"""
services:
  app:
    image: shop:1
    pull_policy: always
    command: serve "a b" $$HOME --x='y z'
    entrypoint: [/init, --]
    environment:
      DOLLAR: a$$b
      BRACES: "$${NOT_ME}"
      QUOTES: "it's \"so\""
      LINES: "one\ntwo\n"
      NOTHING: ""
      NUMBER: 1525
    working_dir: /srv
    init: true
    tty: true
    stdin_open: true
    user: "1000:1000"
    shm_size: 128mb
    ulimits: {nofile: 65536, memlock: {soft: -1, hard: -1}}
    sysctls: {net.core.somaxconn: 1024}
    tmpfs: [/run]
    read_only: true
    cap_add: [NET_BIND_SERVICE]
    security_opt: ["seccomp:unconfined"]
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    extra_hosts: ["db.local:10.0.0.5"]
    dns: [10.0.0.1]
    group_add: ["999"]
    devices: ["/dev/dri:/dev/dri"]
    platform: linux/amd64
    logging: {driver: syslog, options: {tag: shop}}
    labels: {com.example.team: a$$b, traefik.enable: "true"}
    healthcheck: {test: "curl -f localhost | grep ok", interval: 7s, retries: 200}
    mem_limit: 512m
    cpus: 0.5
    pids_limit: 100
    scale: 2
    expose: [8080]
    volumes:
      - named:/named
      - other:/other:ro
      - /srv/shared:/shared:ro
      - ./nothing-there:/data
      - type: tmpfs
        target: /cache
        tmpfs: {size: 64m, mode: 0700}
      - /anonymous
volumes:
  named: {driver_opts: {type: nfs, device: ":/x", o: addr=1.2.3.4}}
  other: {external: true, name: already_here}
"""


def test_everything_arrives(project: Read) -> None:
    read = project(EVERYTHING, routes=[{"path": "/", "service": "app"}], corrections={"app": {"order": "overlap"}})
    assert not read.found("refused") and not read.found("decide")
    app = dict(read.services["app"])
    assert app.pop("runtime") == {
        "devices": [{"source": "/dev/dri", "target": "/dev/dri", "permissions": "rwm"}]
        if isinstance(read.services["app"]["runtime"]["devices"][0], dict)
        else ["/dev/dri:/dev/dri"],
        "dns": ["10.0.0.1"],
        "extra_hosts": ["db.local=10.0.0.5"],
        "group_add": ["999"],
        "init": True,
        "labels": {"com.example.team": "a$b"},
        "logging": {"driver": "syslog", "options": {"tag": "shop"}},
        "platform": "linux/amd64",
        "security_opt": ["seccomp:unconfined"],
        "shm_size": "134217728",
        "stdin_open": True,
        "stop_signal": "SIGINT",
        "sysctls": {"net.core.somaxconn": "1024"},
        "tty": True,
        "ulimits": {"memlock": {"soft": -1, "hard": -1}, "nofile": 65536},
        "working_dir": "/srv",
    }
    assert app.pop("env") == {
        "DOLLAR": "a$b",
        # The description's own spelling of ${, which is not to be filled in.
        "BRACES": "$${NOT_ME}",
        "QUOTES": 'it\'s "so"',
        "LINES": "one\ntwo\n",
        "NOTHING": "",
        "NUMBER": "1525",
    }
    assert app.pop("volumes") == [
        {
            "source": "named",
            "path": "/named",
            "name": "shop_named",
            "driver_opts": {"type": "nfs", "device": ":/x", "o": "addr=1.2.3.4"},
        },
        {"source": "other", "path": "/other", "name": "already_here", "read_only": True, "external": True},
        {"source": "/srv/shared", "path": "/shared", "backup": False, "read_only": True},
        {"source": "/data/nothing-there", "path": "/data", "backup": True},
        {"source": "", "path": "/anonymous"},
    ]
    assert app == {
        "image": "shop:1",
        "pull": "always",
        "command": ["serve", "a b", "$HOME", "--x=y z"],
        "entrypoint": ["/init", "--"],
        "user": "1000:1000",
        "read_only": True,
        "cap_drop": [],
        "cap_add": ["NET_BIND_SERVICE"],
        "stop_grace": "1m30s",
        "health": {"test": ["CMD-SHELL", "curl -f localhost | grep ok"], "interval": "7s", "retries": 200},
        "limits": {"memory": "536870912", "cpus": 0.5, "pids": 100},
        "tmpfs": ["/run", "/cache:size=67108864,mode=700"],
        "replicas": 2,
        "role": "web",
        "port": 8080,
        "order": "overlap",
        "depends_on": {},
        "env_blank": True,
    }


def test_a_text_command_is_split_and_run_by_no_shell(project: Read) -> None:
    app = project("services: {it: {image: a, command: server}}").services["it"]
    assert app["command"] == ["server"] and "entrypoint" not in app


@pytest.mark.parametrize(
    ("check", "health"),
    [
        ("{disable: true}", {"test": ["NONE"]}),
        ("{disable: false}", {"image": True}),
        ("{test: [CMD, a, '$$X']}", {"test": ["CMD", "a", "$X"]}),
        ("{test: [NONE]}", {"test": ["NONE"]}),
    ],
)
def test_health_is_the_files_own(project: Read, check: str, health: dict[str, Any]) -> None:
    assert project(f"services: {{it: {{image: a, healthcheck: {check}}}}}").services["it"]["health"] == health


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("network_mode: host", "network_mode"),
        ("networks: {default: {ipv4_address: 172.20.0.5}}", "networks.default.ipv4_address"),
        ("volumes_from: [other]", "volumes_from"),
        ("mac_address: 02:42:ac:11:65:43", "mac_address"),
        ("pid: 'service:other'", "pid"),
        ("build: {context: ., ssh: [default]}", "build.ssh"),
        ("volumes: ['.:/app']", "volumes[0]"),
    ],
)
def test_what_is_not_possible_is_refused_by_name(project: Read, line: str, key: str) -> None:
    read = project(f"services: {{it: {{image: a, {line}}}, other: {{image: b}}}}")
    assert [f.key for f in read.found("refused")] == [f"services.it.{key}"]
    assert all(f.line for f in read.found("refused"))


@pytest.mark.parametrize(
    ("line", "word"),
    [("privileged: true", "privileged"), ("volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "docker_socket")],
)
def test_what_is_roots_wants_a_word(project: Read, line: str, word: str) -> None:
    text = f"services: {{it: {{image: a, {line}}}}}"
    assert f"allow: [{word}]" in project(text, routes=[]).said("decide")
    assert not project(text, routes=[], corrections={"it": {"allow": [word]}}).found("decide")


def test_dropped_keys_are_named(project: Read) -> None:
    text = """
services:
  it:
    image: a
    restart: always
    networks: [front]
    ports: ["127.0.0.1:9000:9000"]
    deploy: {placement: {constraints: [node.role==manager]}, update_config: {parallelism: 2}}
networks: {front: }
"""
    dropped = " ".join(project(text).reading.findings.dropped["it"])
    assert all(word in dropped for word in ("restart", "networks", "deploy.placement", "deploy.update_config"))


def test_a_gpu_is_asked_for(project: Read) -> None:
    text = """
services:
  it:
    image: a
    deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}], memory: 1g}}}
"""
    runtime = project(text).services["it"]["runtime"]
    assert runtime["device_requests"] == [{"capabilities": ["gpu"], "driver": "nvidia", "count": 1}]
    assert runtime["mem_reservation"] == "1073741824"
