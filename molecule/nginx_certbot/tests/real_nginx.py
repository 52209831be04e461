"""The rendered configuration in a real nginx on this machine: what needs neither a server nor a CA."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import ssl
import subprocess
import tempfile

from conftest import SCENARIO, Client
from waiting import eventually

from ansible_collections.sluice.deploy.plugins.module_utils.edge.apply import Pairs
from ansible_collections.sluice.deploy.plugins.module_utils.edge.certificates import self_signed
from ansible_collections.sluice.deploy.plugins.module_utils.edge.model import State
from ansible_collections.sluice.deploy.plugins.module_utils.edge.nginx_features import features_of
from ansible_collections.sluice.deploy.plugins.module_utils.edge.render import render

RELEASES = ("bookworm", "trixie", "forky")
"""nginx 1.22, 1.26 and 1.30."""


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).strip()


class RealNginx:
    """One container of nginx, and one app beside it that answers for every upstream at 127.0.0.1."""

    def __init__(self, release: str) -> None:
        self.image = f"local/sluice-nginx:{release}"
        self.name = f"sluice-rendered-{release}-{os.getpid()}"
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sluice-rendered-"))
        self.features = features_of(docker("run", "--rm", "--entrypoint=nginx", self.image, "-V"))
        self.root.chmod(0o755)
        self._pairs: Pairs = {}

    def __enter__(self) -> RealNginx:
        # As its user, who may write nowhere but where the edge's own may.
        docker("run", "-d", "--name", self.name, "--user=65532:65532", "--read-only", "--cap-drop=ALL",
               "--tmpfs=/tmp:mode=1777", "--tmpfs=/var/cache/edge:mode=1777", f"--volume={self.root}:/etc/edge:ro",
               "--entrypoint=sleep", self.image, "3600")  # fmt: skip
        docker("run", "-d", "--name", f"{self.name}-app", f"--network=container:{self.name}",
               f"--volume={SCENARIO}/files/app.py:/app.py:ro", "--stop-timeout=1", "--entrypoint=sh", "local/sluice-certbot:forky",
               "-c", "python3 /app.py 3000 blue & python3 /app.py 3001 blue")  # fmt: skip
        listening = (
            "import socket; [socket.create_connection(('127.0.0.1', port)) for port in (3000, 3001)]; print('up')"
        )
        eventually(lambda: "up" in docker("exec", f"{self.name}-app", "python3", "-c", listening, check=False))
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "-f", "-v", self.name, f"{self.name}-app", check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def write(self, state: State, folder: str) -> None:
        """The whole configuration, as a generation holds it."""
        top = self.root / folder
        shutil.rmtree(top, ignore_errors=True)
        here = {target.rsplit(":", 1)[0]: ("127.0.0.1",)
                for serving in state.serving.values() for targets in serving.upstreams.values() for target in targets}  # fmt: skip
        for path, text in render(state, here, self.features).items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)
        (top / "tls").mkdir()
        for name, site in state.sites.items():
            chain, key = self._pair(site.names)
            (top / f"tls/{name}.pem").write_bytes(chain)
            (top / f"tls/{name}.key").write_bytes(key)

    def _pair(self, names: tuple[str, ...]) -> tuple[bytes, bytes]:
        """Of one key for all names: nginx does not compare them."""
        if not self._pairs:
            self._pairs = {"": self_signed(("shop.test",))}
        return self._pairs[""]

    def refusals(self, folders: list[str]) -> dict[str, str]:
        """What `nginx -t` says of the configurations that it refuses."""
        script = (
            'for d in "$@"; do said=$(nginx -e stderr -q -t -p "/etc/edge/$d/" -c nginx.conf 2>&1) || echo "$d $said";'
            " done; true"
        )
        said = docker("exec", self.name, "sh", "-c", script, "sh", *folders)
        rows = [row.partition(" ") for row in said.splitlines() if row.partition(" ")[0] in folders]
        return {folder: text for folder, _, text in rows}

    def serve(self, state: State) -> Client:
        """Have it serve this state; answers a client that takes any certificate."""
        self.write(state, "current")
        refused = self.refusals(["current"])
        assert not refused, refused
        options = ["nginx", "-e", "stderr", "-p", "/etc/edge/current/", "-c", "nginx.conf"]
        # Not a reload: for a moment, the old workers would answer as well.
        stop = f"{shlex.join(options)} -s stop; while [ -s /tmp/nginx.pid ]; do sleep 0.02; done; rm -f /var/cache/edge/*.log"
        docker("exec", self.name, "sh", "-c", f"[ ! -s /tmp/nginx.pid ] || {{ {stop}; }}")
        docker("exec", "-d", self.name, *options, "-g", "daemon off;")
        address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = Lenient(address, context)
        eventually(lambda: client.get("/").status)
        return client


class Lenient(Client):
    """A client of nginx's own ports, without a certificate authority to ask."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        self.address, self.trusting = address, context

    def connect(self, name="shop.test", port=443, context=None):
        return super().connect(name, {443: 8443, 80: 8080}.get(port, port), context)
