from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass, field

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy import bootstrap
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.client import Client, Server
from ansible_collections.sluice.deploy.tests.standin_dokploy.fake_engine import FakeEngine
from ansible_collections.sluice.deploy.tests.standin_dokploy.server import Standin

MODULES = "ansible_collections.sluice.deploy.plugins.modules"


# A real server's address, which `make dokploy-conformance` sets; who signs in is DOKPLOY_EMAIL and DOKPLOY_PASSWORD.
REAL = os.environ.get("SLUICE_DOKPLOY", "")


@dataclass
class Dokploy:
    """A server and a way to run modules against it."""

    url: str
    key: str
    capsys: pytest.CaptureFixture
    behind: Standin | None = None
    engine: FakeEngine | None = None
    calls: list = field(default_factory=list)
    writes: int = 0

    @property
    def real(self) -> bool:
        return self.behind is None

    @property
    def standin(self) -> Standin:
        """For tests that look behind the API, which only the stand-in allows."""
        return self.behind or pytest.skip("looks behind the API of a real server")

    def run(self, module: str, *, check: bool = False, **arguments):
        """What the module returns; all output is kept in `output`."""
        connection = {"url": self.url, "api_key": self.key, "timeout": 5 if self.behind else 60}
        if module == "dokploy_api_key":
            del connection["api_key"]
        given = {**connection, **arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        loaded = importlib.import_module(f"{MODULES}.{module}")
        with patch_module_args(given), pytest.raises(SystemExit):
            loaded.main()
        self.output = self.capsys.readouterr().out
        result = json.loads(self.output)
        self.writes = result["requests"]["writes"] if "requests" in result else 0
        if self.behind:
            self.calls = list(self.behind.calls)
            self.behind.calls.clear()
        return result

    def post(self, procedure: str, **values):
        """A change that no module makes."""
        return Client(Server(self.url, self.key)).post(procedure, **values)

    @property
    def posts(self):
        """Procedures of the changes that the last module sent."""
        assert self.standin
        return [procedure for method, procedure, _ in self.calls if method == "POST"]


@pytest.fixture(scope="session")
def rules_cache(tmp_path_factory):
    """Keeps the scan's compiled rules: compiling them takes a second."""
    return str(tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="session")
def real_key():
    """An API key of the real server."""
    anew = Client(Server(REAL))
    bootstrap.sign_in(
        anew, bootstrap.Administrator(os.environ["DOKPLOY_EMAIL"], os.environ["DOKPLOY_PASSWORD"], "", "")
    )
    return bootstrap.create_api_key(anew, "sluice-trial")


@pytest.fixture
def dokploy(request, tmp_path, capsys, monkeypatch, rules_cache):
    if REAL:
        yield Dokploy(REAL, request.getfixturevalue("real_key"), capsys)
        return
    from ansible_collections.sluice.deploy.plugins.module_utils.dokploy import client, deployment, logscan
    from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import Options, run

    def scan_texts(texts, secrets):
        return run(Options(texts=dict(texts), secrets=dict(secrets), cache=rules_cache))

    monkeypatch.setattr(logscan, "scan_texts", scan_texts)
    # The modules wait in steps of two seconds; a test has no reason to.
    monkeypatch.setattr(deployment.Deployer.__init__, "__kwdefaults__", {"interval": 0.01, "timeline": None})
    monkeypatch.setattr(deployment.watch_containers, "__kwdefaults__", {"interval": 0.01, "timeline": None})
    monkeypatch.setattr(client.Client.__init__, "__kwdefaults__", {"sleep": lambda seconds: None})
    engine = FakeEngine()
    standin = Standin(tmp_path, engine)
    standin.start()
    yield Dokploy(standin.url, standin.store.make_key(limited=False), capsys, standin, engine)
    standin.stop()
