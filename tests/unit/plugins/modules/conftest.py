from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.tests.standin_dokploy.fake_engine import FakeEngine
from ansible_collections.sluice.deploy.tests.standin_dokploy.server import Standin

MODULES = "ansible_collections.sluice.deploy.plugins.modules"


@dataclass
class Dokploy:
    """A stand-in server and a way to run modules against it."""

    standin: Standin
    engine: FakeEngine
    capsys: pytest.CaptureFixture
    key: str
    calls: list = field(default_factory=list)

    def run(self, module: str, *, check: bool = False, **arguments):
        """What the module returns; all output is kept in `output`."""
        connection = {"url": self.standin.url, "api_key": self.key, "timeout": 5}
        if module == "dokploy_api_key":
            del connection["api_key"]
        given = {**connection, **arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        loaded = importlib.import_module(f"{MODULES}.{module}")
        with patch_module_args(given), pytest.raises(SystemExit):
            loaded.main()
        self.output = self.capsys.readouterr().out
        self.calls = list(self.standin.calls)
        self.standin.calls.clear()
        return json.loads(self.output)

    @property
    def posts(self):
        """Procedures of the changes that the last module sent."""
        return [procedure for method, procedure, _ in self.calls if method == "POST"]


@pytest.fixture(scope="session")
def rules_cache(tmp_path_factory):
    """Keeps the scan's compiled rules: compiling them takes a second."""
    return str(tmp_path_factory.mktemp("rules"))


@pytest.fixture
def dokploy(tmp_path, capsys, monkeypatch, rules_cache):
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
    yield Dokploy(standin, engine, capsys, standin.store.make_key(limited=False))
    standin.stop()
