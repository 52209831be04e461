# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import shutil

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import attempts, cli, renewal
from ansible_collections.sluice.deploy.plugins.module_utils.edge.apply import apply
from ansible_collections.sluice.deploy.plugins.module_utils.edge.certificates import self_signed
from ansible_collections.sluice.deploy.plugins.module_utils.edge.engine import EdgeEngine
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, FakeDocker, site, state

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")


@pytest.fixture
def docker():
    return FakeDocker()


@pytest.fixture
def store(tmp_path, docker, monkeypatch):
    """An edge with two stacks, whose names nobody answers for."""
    monkeypatch.setattr(renewal, "served", lambda edge, domain: None)
    made, sites = Store(tmp_path), [site(), site({"name": "blog", "domain": "blog.test"})]
    pairs = {one.name: self_signed(one.names) for one in sites}
    apply(made, EdgeEngine(EDGE, tmp_path, docker), state(*sites), pairs)
    return made


def hold(store, stack, *parts):
    """What certbot holds of a stack's certificate."""
    pair = dict(zip(("fullchain", "privkey"), self_signed((f"{stack}.test",))))
    folder = store.root / "acme" / "live" / stack
    folder.mkdir(parents=True)
    for part in parts:
        (folder / f"{part}.pem").write_bytes(pair[part])


def spoil(store):
    for path in store.conf.glob("[!.]*/nginx.conf"):
        path.chmod(0o600)
        path.write_text("spoilt")


def test_an_edge_that_is_spoilt_is_a_trouble_and_none_at_all_is_not(store, docker, tmp_path):
    spoil(store)
    (trouble,) = renewal.maintain(store, print, docker)
    assert "the edge is spoilt" in trouble and "Run the nginx_certbot role" in trouble
    assert renewal.maintain(Store(tmp_path / "none"), print, docker) == []


def test_a_spoilt_edge_fails_the_command_and_is_told(store, monkeypatch, capsys):
    spoil(store)
    told = []
    monkeypatch.setattr(cli.os, "geteuid", lambda: 0)
    monkeypatch.setattr(f"{cli.__package__.rpartition('.')[0]}.notices.tell.tell_change", lambda *a: told.append(a[2]))
    assert cli.main(["--root", str(store.root), "certificates"]) == 1
    assert "the edge is spoilt" in told[0][0]
    assert "the edge is spoilt" in capsys.readouterr().err


def test_a_missing_key_is_noted_and_the_next_stack_gets_its_certificate(store, docker):
    hold(store, "blog", "fullchain")
    hold(store, "shop", "fullchain", "privkey")
    said = []
    (trouble,) = renewal.maintain(store, said.append, docker)
    assert trouble.startswith("blog: ") and "privkey.pem" in trouble
    assert "privkey.pem" in attempts.load(store.root, "blog").reason
    assert said == ["shop: a new certificate is in place"]


def test_a_stack_that_changes_while_the_ca_is_asked_is_seen_to_by_the_same_run(store, docker):
    """systemd takes a further start of what runs already for nothing."""
    changed = site({"name": "blog", "domain": "blog.test", "domain_aliases": ["www.blog.test"]})
    asked = []

    def runner(argv, *rest, **more):
        if "certonly" in argv:
            asked.append([word.partition("=")[2] for word in argv if word.startswith("--domain=")])
            if len(asked) == 1:
                pairs = {changed.name: self_signed(changed.names)}
                apply(store, EdgeEngine(EDGE, store.root, docker), state(site(), changed), pairs)
        return docker(argv, *rest, **more)

    assert renewal.maintain(store, print, runner) == []
    assert asked == [["blog.test"], ["shop.test"], ["blog.test", "www.blog.test"]]
    assert attempts.load(store.root, "blog").issued == changed.certificate.issued_as(changed.names)


def test_a_note_that_cannot_be_written_is_told_and_stops_nobody(store, docker, monkeypatch):
    save = attempts.save

    def full(root, stack, past):
        if stack == "blog":
            raise OSError(28, "No space left on device")
        save(root, stack, past)

    monkeypatch.setattr(attempts, "save", full)
    assert renewal.maintain(store, print, docker) == ["blog: [Errno 28] No space left on device."]
    assert attempts.load(store.root, "shop").issued


def test_an_engine_that_cannot_be_started_is_noted_for_each(store):
    def runner(argv, timeout=0):
        raise OSError(12, "Cannot allocate memory")

    troubles = renewal.maintain(store, print, runner)
    assert [trouble[:5] for trouble in troubles] == ["blog:", "shop:"]
    assert "Cannot allocate" in attempts.load(store.root, "shop").reason


def test_an_alert_that_cannot_be_left_is_told_with_what_it_was_about(store, docker, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(renewal, "served", lambda edge, domain: b"another")
    monkeypatch.setattr(renewal, "write_whole", full)
    troubles = renewal.maintain(store, print, docker)
    assert [trouble[:11] for trouble in troubles] == ["blog: nginx", "shop: nginx", "[Errno 28] "]


def test_one_part_of_the_command_does_not_stop_another(store, monkeypatch, capsys):
    package = cli.__package__

    def broken(*given):
        raise UserError("another process holds it.")

    monkeypatch.setattr(cli.os, "geteuid", lambda: 0)
    for name in ("violations.tidy", "renewal.maintain"):
        monkeypatch.setattr(f"{package}.{name}", broken)
    monkeypatch.setattr(f"{package}.brought.bring", lambda *given: ["brought"])
    assert cli.main(["--root", str(store.root), "certificates"]) == 1
    assert capsys.readouterr().err.split("\n")[:3] == ["another process holds it."] * 2 + ["brought"]
