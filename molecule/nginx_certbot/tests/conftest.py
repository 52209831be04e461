"""A client that speaks to the edge under its real names, and a hand on its upstreams."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass

import pytest

SCENARIO = pathlib.Path(__file__).resolve().parent.parent
PROJECT = SCENARIO.parent.parent
DOMAIN = "shop.test"
sys.path.append(str(SCENARIO / "judges"))
from judges import Judges  # noqa: E402


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Requests to the edge's address, whatever name they are for."""

    def __init__(self, address: str, roots: str) -> None:
        self.address = address
        self.trusting = ssl.create_default_context(cadata=roots)

    def connect(self, name: str = DOMAIN, port: int = 443, context: ssl.SSLContext | None = None) -> socket.socket:
        raw = socket.create_connection((self.address, port), timeout=10)
        if port in (80, 8080):
            return raw
        return (context or self.trusting).wrap_socket(raw, server_hostname=name)

    def send(self, path, *, method="GET", host=DOMAIN, name=None, port=443, headers=None, body=b""):
        """One request on its own connection."""
        fields = {"Host": host, "Connection": "close", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{k}: {v}\r\n" for k, v in fields.items())
        with self.connect(name or DOMAIN, port) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
            # Refused from its headers alone, the answer is there to read all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(body)
            return parse(read_all(connection))

    def get(self, path: str, **options) -> Answer:
        return self.send(path, **options)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while True:
        try:
            part = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return data
        if not part:
            return data
        data += part


def parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rows = head.decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (row.partition(": ") for row in rows)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(body.split(b"\r\n")[1::2])
    return Answer(int(first.split()[1]), headers, body)


def run_on_server(command: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command on the server; it must succeed."""
    argv = [PROJECT / "tools/server", "ssh", "debian13", command]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done


def play(
    check: bool = True, arguments: tuple[str, ...] = (), playbook: pathlib.Path = SCENARIO / "converge.yml", **settings
) -> subprocess.CompletedProcess[str]:
    """Run a playbook, by default the scenario's converge, with other settings; answers its output."""
    inventory = PROJECT / "molecule/inventory"
    argv = ["ansible-playbook", "-i", str(inventory), str(playbook), "-e", json.dumps(settings), *arguments]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=PROJECT, env=environment)
    assert not check or done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    # YAML folds long messages and doubles quotes.
    done.stdout = " ".join(done.stdout.split()).replace("''", "'")
    return done


def root_of_the_ca() -> str:
    """What trusts the test CA: the root that Pebble made when it started."""
    script = "import ssl, urllib.request as u; c = ssl._create_unverified_context(); "
    script += "print(u.urlopen('https://pebble:15000/roots/0', context=c).read().decode())"
    python = "docker run --rm --network sluice-edge --entrypoint python3 local/sluice-certbot:forky"
    return run_on_server(f"{python} -c {shlex.quote(script)}").stdout


def own_pair(folder: str, *names: str) -> dict[str, str]:
    """A pair of a user's own, made on the server and signed by an authority beside it (ca.pem): certificate and key."""
    run_on_server(f"""
        rm -rf {folder} && mkdir -p {folder} && cd {folder} && printf '[req]\ndistinguished_name=d\n[d]\n' > own.conf
        make() {{ openssl req -x509 -config own.conf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "$@"; }}
        {{ make -subj /CN=ca -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
            -addext subjectKeyIdentifier=hash -keyout ca.key -out ca.pem &&
        make -CA ca.pem -CAkey ca.key -subj /CN=own -addext subjectAltName={",".join(f"DNS:{name}" for name in names)} \
            -addext authorityKeyIdentifier=keyid -keyout key.pem -out cert.pem; }} 2>own.log || {{ cat own.log; exit 1; }}
    """)
    parts = {"certificate": "cert.pem", "key": "key.pem"}
    return {part: run_on_server(f"cat {folder}/{file}").stdout for part, file in parts.items()}


@pytest.fixture(scope="session")
def shell():
    return run_on_server


@pytest.fixture(scope="session")
def converge():
    return play


@pytest.fixture(scope="session")
def address(server) -> str:
    return server("ip", "debian13")


@pytest.fixture(scope="session")
def roots() -> str:
    return root_of_the_ca()


@pytest.fixture(scope="session")
def client(address, roots) -> Client:
    return Client(address, roots)


class Apps:
    """Colours of the stub app on the edge network."""

    def __init__(self, shell) -> None:
        self.shell = shell

    def start(self, colour: str, stack: str = "shop") -> None:
        for service, port in (("server", 3000), ("front", 3001)):
            alias = f"{stack}-{colour}-{service}"
            self.shell(
                f"docker rm -f {alias} >/dev/null 2>&1; docker run -d --name {alias} --network sluice-edge "
                f"--network-alias {alias} -v /root/app.py:/app.py:ro --entrypoint python3 --stop-timeout 1 "
                f"local/sluice-certbot:forky /app.py {port} {colour}"
            )

    def stop(self, colour: str, stack: str = "shop") -> None:
        self.shell(f"docker rm -f {stack}-{colour}-server {stack}-{colour}-front")

    def switch(self, colour: str | None, stack: str = "shop", check: bool = True, **upstreams):
        ports = {"server": 3000, "front": 3001}
        targets = {s: [f"{stack}-{colour}-{s}:{p}"] for s, p in ports.items()} if colour else {}
        request = json.dumps({"colour": colour, "upstreams": {**targets, **upstreams}})
        return self.shell(f"/usr/local/lib/sluice/edge-switch to {stack}", request, check)


@pytest.fixture(scope="session")
def apps(shell) -> Apps:
    return Apps(shell)


@pytest.fixture(scope="session")
def judges(address, roots, tmp_path_factory) -> Judges:
    file = tmp_path_factory.mktemp("judges") / "roots.pem"
    file.write_text(roots)
    return Judges(DOMAIN, address, file)


@pytest.fixture
def configuration(tmp_path):
    """A copy of the configuration that serves, without its keys."""
    folder = tmp_path / "conf"
    folder.mkdir()
    remote = [PROJECT / "tools/server", "ssh", "debian13"]
    packed = subprocess.run(
        [*remote, "tar -C /etc/sluice/edge/conf/current/ --exclude ./tls -c ."], capture_output=True, check=True
    )
    subprocess.run(["tar", "-C", folder, "-x"], input=packed.stdout, check=True)
    return folder
