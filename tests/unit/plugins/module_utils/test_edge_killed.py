# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A switch, a renewal and an install, killed between every two of their effects: disk and nginx agree again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import host, install, keypairs, renewal
from ansible_collections.sluice.deploy.plugins.module_utils.edge.apply import apply
from ansible_collections.sluice.deploy.plugins.module_utils.edge.certificates import facts, self_signed
from ansible_collections.sluice.deploy.plugins.module_utils.edge.engine import EdgeEngine
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.edge.switch import switch
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, FakeDocker, site, state

_KILLED = 9
# What another process can see: a file is written beside its place, and renamed.
_EFFECTS = ("os.rename", "os.symlink", "os.remove", "os.mkdir", "os.rmdir")
DOCKER = FakeDocker(shop_blue_server="10.0.0.2", shop_blue_front="10.0.0.3")
BLUE = json.dumps(
    {"colour": "blue", "upstreams": {"server": ["shop-blue-server:3000"], "front": ["shop-blue-front:3001"]}}
)


@pytest.fixture(scope="module")
def pair():
    return self_signed(("shop.test",))


@pytest.fixture
def world(tmp_path, monkeypatch, pair):
    """An edge in a directory of its own, and an nginx that is a file with the name of what it has loaded."""

    def load(engine, master):
        root = engine._root
        (root.parent / "loaded").write_text(Store(root).current())

    monkeypatch.setattr(EdgeEngine, "reload", load)
    # openssl has no part in this.
    known = facts(pair[0])
    for module in (renewal, keypairs):
        monkeypatch.setattr(module, "facts", lambda chain: known)
        monkeypatch.setattr(module, "check_pair", lambda chain, key: None)
    # A process is killed here, not a disk.
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(host, "LIBRARY", tmp_path / "library")
    monkeypatch.setattr(host, "UNITS", tmp_path / "units")
    template = tmp_path / "template"
    store = Store(template / "edge")
    apply(store, EdgeEngine(EDGE, store.root, DOCKER), state(site()), {"shop": pair})
    live = store.root / "acme/live/shop"
    live.mkdir(parents=True)
    (live / "fullchain.pem").write_bytes(pair[0] + b"\n")
    (live / "privkey.pem").write_bytes(pair[1])
    load(EdgeEngine(EDGE, store.root), 0)
    return template


OPERATIONS = {
    "switch": lambda store: switch(store, "shop", BLUE, DOCKER),
    "renewal": lambda store: renewal.deploy(store, "shop", DOCKER),
    "install": lambda store: install.put(store, EDGE, site(body_size="7MiB"), None, "", runner=DOCKER),
}


def killed(operation, store: Store, at: int) -> bool:
    """Whether a process that does this dies at its effect of this number; nothing is cleaned up, as after kill -9."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _KILLED
    left = at

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _EFFECTS:
            left -= 1
            if left == 0:
                os._exit(_KILLED)

    try:
        sys.addaudithook(count)
        operation(store)
    finally:
        os._exit(0)


def loaded(store: Store) -> str:
    return (store.root.parent / "loaded").read_text()


@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_between_any_two_effects(world, tmp_path, name):
    operation, number = OPERATIONS[name], 0
    while True:
        number += 1
        there = tmp_path / "there"
        shutil.copytree(world, there, symlinks=True)
        store = Store(there / "edge")
        if not killed(operation, store, number):
            break
        where = f"{name}, killed at effect {number}"
        present = store.state()
        assert present is not None, where
        # What the watcher does at its next event, or at the next start.
        apply(store, EdgeEngine(EDGE, store.root, DOCKER), present)
        assert loaded(store) == store.current() == store.served(), where
        operation(store)
        assert loaded(store) == store.current() == store.served(), where
        drafts = [p.name for p in store.conf.iterdir() if p.name.startswith(".draft")]
        assert len(drafts) <= 1, where
        _remove(there)
    assert number > 10, "it was killed often"


def _remove(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)
