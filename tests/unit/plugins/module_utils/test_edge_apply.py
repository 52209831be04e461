# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import dataclasses
import json
import subprocess
import threading

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import engine, fetch, install
from ansible_collections.sluice.deploy.plugins.module_utils.edge import switch as switching
from ansible_collections.sluice.deploy.plugins.module_utils.edge.apply import apply
from ansible_collections.sluice.deploy.plugins.module_utils.edge.engine import EdgeEngine
from ansible_collections.sluice.deploy.plugins.module_utils.edge.look import (
    addresses_of,
    aliases_of,
    endpoints_of,
    look_at,
    workers,
)
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, FakeDocker, site, state

PAIR = (b"chain", b"key")


@pytest.fixture
def docker():
    return FakeDocker(
        shop_blue_server="10.0.0.2",
        shop_blue_front="10.0.0.3",
        shop_green_server="10.0.0.4",
        shop_green_front="10.0.0.5",
    )


@pytest.fixture
def store(tmp_path, docker):
    """An edge with the stack on it and no release serving."""
    made = Store(tmp_path)
    plain = site(csp_hash_scripts=False)
    apply(made, EdgeEngine(EDGE, tmp_path, docker), state(plain), {"shop": PAIR})
    return made


def request(colour, **upstreams):
    ports = {"server": 3000, "front": 3001}
    targets = {s: [f"shop-{colour}-{s}:{p}"] for s, p in ports.items()} if colour else {}
    return json.dumps({"colour": colour, "upstreams": {**targets, **upstreams}})


def upstreams(store):
    return store.files()["upstreams.conf"].decode()


def test_switch_and_back(store, docker):
    assert switching.status(store, "shop") == {"stack": "shop", "serving": None, "previous": None, "changed": False}
    there = switching.switch(store, "shop", request("blue"), docker)
    assert there == {"stack": "shop", "serving": "blue", "previous": None, "changed": True}
    assert "10.0.0.2:3000" in upstreams(store)
    assert switching.switch(store, "shop", request("green"), docker)["previous"] == "blue"
    assert "10.0.0.4:3000" in upstreams(store)
    assert switching.switch(store, "shop", request("blue"), docker)["previous"] == "green"
    assert "10.0.0.2:3000" in upstreams(store)


def test_switching_again_changes_nothing(store, docker):
    switching.switch(store, "shop", request("blue"), docker)
    generation, calls = store.current(), len(docker.calls)
    assert switching.switch(store, "shop", request("blue"), docker)["changed"] is False
    assert store.current() == generation
    assert not any("-t" in call for call in docker.calls[calls:])


@pytest.fixture
def tests(docker, monkeypatch):
    """How often the nginx that runs was asked for its opinion of a configuration."""
    docker.master = 4242
    monkeypatch.setattr(EdgeEngine, "reload", lambda self, master: None)
    return lambda: sum("-t" in call for call in docker.calls)


def test_nginx_reads_all_of_it_where_more_than_who_serves_is_new(store, docker, tests):
    before = tests()
    switching.switch(store, "shop", request("blue"), docker)
    assert "10.0.0.2:3000" in upstreams(store) and tests() == before
    for number, settings in enumerate(({"body_size": "7MB"}, {"csp": "default-src 'none'"}), 1):
        other = store.state().with_site(site(csp_hash_scripts=False, **settings))
        apply(store, EdgeEngine(EDGE, store.root, docker), other)
        assert tests() == before + number


def test_nginx_reads_all_of_it_where_it_is_not_sure_what_it_has(store, docker, tests):
    before = tests()
    store.note_served("")
    switching.switch(store, "shop", request("blue"), docker)
    assert tests() == before + 1
    docker.master = 0
    switching.switch(store, "shop", request("green"), docker)
    assert tests() == before + 2


def test_no_colour_is_maintenance(store, docker):
    switching.switch(store, "shop", request("blue"), docker)
    answer = switching.switch(store, "shop", request(None), docker)
    assert (answer["serving"], answer["previous"]) == (None, "blue")
    assert "127.0.0.1:8503" in upstreams(store)
    assert "10.0.0" not in upstreams(store)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be JSON"),
        ("[]", "must be JSON"),
        ("{}", "must be JSON"),
        ('{"colour": "red", "upstreams": {}}', "must be JSON"),
        ('{"colour": "blue", "upstreams": []}', "must be JSON"),
        ('{"colour": "blue", "upstreams": {"server": ["a b;c:1"], "front": ["x:1"]}}', "must be JSON"),
        ('{"colour": "blue", "upstreams": {"server": ["shop-blue-server:3000"]}}', "leads to 'front'"),
        (request("blue", front=["shop-mauve-front:3001"]), "no running container .* 'shop-mauve-front'"),
    ],
)
def test_bad_requests_leave_the_old_colour(store, docker, text, message):
    switching.switch(store, "shop", request("green"), docker)
    before = store.current()
    with pytest.raises(UserError, match=message):
        switching.switch(store, "shop", text, docker)
    assert store.current() == before


def test_unknown_stack(store):
    with pytest.raises(UserError, match="'blog' is not on this edge"):
        switching.status(store, "blog")


def test_what_nginx_refuses_never_becomes_current(store, docker):
    before, kept = store.current(), set(store.conf.iterdir())
    docker.refusal = "unknown directive"
    with pytest.raises(UserError, match=r"the old one keeps serving: .*unknown directive"):
        switching.switch(store, "shop", request("blue"), docker)
    assert store.current() == before
    assert set(store.conf.iterdir()) == kept


def test_an_engine_that_cannot_ask_nginx_is_asked_again(store, docker, monkeypatch):
    monkeypatch.setattr(engine, "_ASK_AGAIN", (0, 0))
    docker.stumbles = 2
    assert switching.switch(store, "shop", request("blue"), docker)["serving"] == "blue"
    docker.stumbles = 3
    with pytest.raises(UserError, match=r"cannot be asked .*, the old one keeps serving: OCI runtime exec failed"):
        switching.switch(store, "shop", request("green"), docker)
    assert switching.status(store, "shop")["serving"] == "blue"


def test_a_failed_reload_brings_the_old_generation_back(store, docker, monkeypatch):
    before = store.current()

    def fail(self, master):
        raise UserError("nginx did not take it up")

    monkeypatch.setattr(EdgeEngine, "reload", fail)
    with pytest.raises(UserError):
        switching.switch(store, "shop", request("blue"), docker)
    assert store.current() == before
    assert switching.status(store, "shop")["serving"] is None


def reloads(store, docker, monkeypatch, answers):
    """Has nginx run, and each reload say what generation it would load and then do what `answers` has next."""
    loaded = []

    def reload(self, master):
        loaded.append(store.current())
        answer = answers.pop(0)
        if answer:
            raise answer

    monkeypatch.setattr(EdgeEngine, "reload", reload)
    return loaded


def test_after_going_back_nginx_loads_the_old_generation_again(store, docker, monkeypatch):
    before = store.current()
    loaded = reloads(store, docker, monkeypatch, [UserError("slow"), None])
    with pytest.raises(UserError, match="slow"):
        switching.switch(store, "shop", request("blue"), docker)
    assert loaded[0] != before
    assert loaded[1] == before == store.served() == store.current()


def test_what_could_not_be_loaded_again_is_loaded_by_the_next_run(store, docker, monkeypatch):
    before = store.current()
    loaded = reloads(store, docker, monkeypatch, [UserError("slow"), UserError("slow"), None])
    with pytest.raises(UserError):
        switching.switch(store, "shop", request("blue"), docker)
    assert store.served() == ""
    assert apply(store, EdgeEngine(EDGE, store.root, docker), store.state()).changed
    assert loaded[2] == before == store.served()


def test_a_change_of_a_killed_process_is_loaded_by_the_next_run(store, docker, monkeypatch):
    class Killed(BaseException):
        pass

    loaded = reloads(store, docker, monkeypatch, [Killed(), Killed(), None])
    with monkeypatch.context() as patch:
        patch.setattr(Store, "discard", lambda self, name: None)
        make_current = Store.make_current
        patch.setattr(Store, "make_current", lambda self, name: None if loaded else make_current(self, name))
        with pytest.raises(Killed):
            switching.switch(store, "shop", request("blue"), docker)
    assert "10.0.0.2:3000" in upstreams(store)
    assert switching.switch(store, "shop", request("blue"), docker)["changed"] is True
    assert loaded[-1] == store.current() == store.served()


@pytest.mark.parametrize(
    ("phases", "fails"),
    [
        ([{1}, {1, 2}, {2}], False),  # as usual
        ([{1}, {1, 2}], False),  # the old one is stuck
        ([{1}], True),  # none is new
    ],
)
def test_a_reload_waits_for_new_workers(store, docker, monkeypatch, phases, fails):
    left = list(phases)
    monkeypatch.setattr(engine, "workers", lambda master: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(engine.os, "kill", lambda pid, sig: None)
    monkeypatch.setattr(engine, "_RELOAD_SECONDS", 0.05)
    monkeypatch.setattr(engine, "_HANDOVER_SECONDS", 0.05)
    if fails:
        with pytest.raises(UserError, match="did not take the new configuration up"):
            EdgeEngine(EDGE, store.root, docker).reload(7)
    else:
        EdgeEngine(EDGE, store.root, docker).reload(7)


def spoil(path, content=b""):
    path.chmod(0o600)
    path.write_bytes(content)


def test_a_spoilt_generation_gives_way_to_the_newest_intact_one(store, docker):
    switching.switch(store, "shop", request("blue"), docker)
    intact = store.state()
    switching.switch(store, "shop", request("green"), docker)
    spoil(store.conf / "current/state.json")
    assert store.state() == intact
    assert switching.switch(store, "shop", request("green"), docker)["changed"] is True
    assert switching.status(store, "shop")["serving"] == "green"
    assert store.files()["state.json"] == (store.conf / "current/state.json").read_bytes() != b""


def test_without_an_intact_generation_the_edge_is_new(store):
    spoil(store.conf / "current/tls/shop.key")
    assert store.state() is None
    with pytest.raises(UserError, match="run the nginx_certbot role"):
        switching.status(store, "shop")


def test_a_spoilt_generation_is_not_taken_up_again(store, docker):
    there = switching.switch(store, "shop", request("blue"), docker)
    blue = store.conf / store.current()
    switching.switch(store, "shop", request(None), docker)
    spoil(blue / "sites/shop.conf")
    files = dict(store.files())
    assert store.write(files, EDGE.uid) == store.current()
    other = state(site(body_size="5MiB"))
    apply(store, EdgeEngine(EDGE, store.root, docker), other)
    assert there["changed"]
    target = store.conf / store.current()
    spoil(target / "nginx.conf")
    apply(store, EdgeEngine(EDGE, store.root, docker), other)
    assert (store.conf / store.current() / "nginx.conf").read_bytes()


def test_a_spoilt_note_of_the_image_is_asked_for_again(store, docker):
    (store.root / "nginx-build.json").write_text("")
    assert EdgeEngine(EDGE, store.root, docker).features("sha256:1").http2_directive


def test_nobody_else_can_hold_the_lock(store):
    (store.root / "lock").touch(0o644)
    with store.lock():
        assert (store.root / "lock").stat().st_mode & 0o777 == 0o600


def test_hashes_are_served_only_while_they_are_wanted(store, docker, monkeypatch):
    monkeypatch.setattr(fetch, "html_page", lambda *_: "<script>a()</script>")
    apply(store, EdgeEngine(EDGE, store.root, docker), state(site(csp_hash_scripts=True)))
    switching.switch(store, "shop", request("blue"), docker)
    assert b"'sha256-" in store.files()["policies.conf"]
    apply(store, EdgeEngine(EDGE, store.root, docker), store.state().with_site(site(csp_hash_scripts=False)))
    assert b"'sha256-" not in store.files()["policies.conf"]


def test_a_setting_that_asks_for_hashes_is_served_at_once(store, docker, monkeypatch):
    monkeypatch.setattr(fetch, "html_page", lambda *_: "<script>a()</script>")
    switching.switch(store, "shop", request("blue"), docker)
    present, asking = store.state(), site(csp_hash_scripts=True)
    look = EdgeEngine(EDGE, store.root, docker).look()
    hashed = install._with_hashes(present.with_site(asking), asking, present.sites["shop"], look)
    assert hashed.serving_of("shop").script_hashes
    assert install._with_hashes(hashed, asking, asking, look) == hashed


def test_a_container_that_moved_is_found(store, docker):
    switching.switch(store, "shop", request("blue"), docker)
    docker.addresses["shop-blue-server"] = "10.0.0.99"
    current = store.state()
    assert apply(store, EdgeEngine(EDGE, store.root, docker), current).changed
    assert "10.0.0.99:3000" in upstreams(store)


def test_check_mode_writes_nothing(store, docker):
    before = sorted(store.conf.rglob("*"))
    other = state(site(body_size="5MiB"))
    applied = apply(store, EdgeEngine(EDGE, store.root, docker), other, check=True)
    assert applied.changed
    assert "5242880" in applied.after["sites/shop.conf"]
    assert sorted(store.conf.rglob("*")) == before


def test_keys_and_hashes_are_in_no_diff(store, docker):
    closed = state(site(basic_auth=["ann:$6$salt$hash"], body_size="5MiB"))
    applied = apply(store, EdgeEngine(EDGE, store.root, docker), closed, {"shop": (b"c", b"topsecret")}, check=True)
    shown = json.dumps([applied.before, applied.after])
    assert "topsecret" not in shown
    assert "$6$" not in shown
    assert "sluice_preview=" not in shown


def test_old_generations_go_and_the_current_one_stays(store, docker):
    for colour in ["blue", "green"] * 6:
        switching.switch(store, "shop", request(colour), docker)
    generations = [p for p in store.conf.iterdir() if not p.is_symlink()]
    assert len(generations) <= 5
    assert store.current() in {p.name for p in generations}


def test_private_files_are_nobody_elses(store):
    top = store.conf / store.current()
    for path in top.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_lock_is_held_by_one(store):
    entered = threading.Event()
    with store.lock():
        waiting = threading.Thread(target=lambda: [store.lock().__enter__(), entered.set()])
        with pytest.raises(UserError, match=r"a change of the edge .* holds the lock"), store.lock(wait=0.1):
            pass
        waiting.start()
    waiting.join(5)
    assert entered.is_set()


def test_aliases_of_other_networks_do_not_count():
    attached = {
        "1": {"other": {"EndpointID": "1", "Aliases": ["a"]}},
        "2": {"edge": {"EndpointID": "", "Aliases": ["b"]}},
        "3": {"edge": {"EndpointID": "3", "Aliases": ["c"]}},
        "4": {"edge": {"EndpointID": "4", "Aliases": ["c"]}},
        "5": {"edge": {"EndpointID": "5", "Aliases": None}},
    }
    aliases = aliases_of([{"NetworkSettings": {"Networks": networks}} for networks in attached.values()], "edge")
    assert aliases == {"3": ["c"], "4": ["c"], "5": []}
    listed = {n: {"EndpointID": n, "IPv4Address": f"10.0.0.{7 - int(n)}/16" if n != "1" else ""} for n in attached}
    assert addresses_of(endpoints_of(listed), aliases) == {"c": ("10.0.0.3", "10.0.0.4")}


def test_who_was_asked_once_is_not_asked_again_until_it_moves(store, docker):
    engine = EdgeEngine(EDGE, store.root, docker)

    def asked() -> list[str]:
        docker.calls.clear()
        engine.look()
        return next(call[4:-1] for call in docker.calls if call[1] == "inspect")

    before = engine.look().addresses
    assert asked() == []
    assert engine.look().addresses == before and before["shop-blue-server"] == ("10.0.0.2",)
    docker.addresses["shop-blue-server"] = "10.0.0.9"
    assert asked() == ["shop-blue-server"]
    assert engine.look().addresses["shop-blue-server"] == ("10.0.0.9",)
    del docker.addresses["shop-green-front"]
    assert "shop-green-front" not in engine.look().addresses
    endpoint = docker._endpoint("shop-blue-server")["EndpointID"]
    for spoilt in ("", "[]", "{", json.dumps({endpoint: 5})):
        (store.root / "aliases.json").write_text(spoilt)
        assert engine.look().addresses["shop-blue-server"] == ("10.0.0.9",)


@pytest.mark.parametrize("printed", ["null\n", "{}\n", "\n"])
def test_a_warning_of_the_engine_s_command_and_an_empty_network_are_no_trouble(tmp_path, printed):
    def warns(argv, timeout=0):
        out = printed if argv[1] == "network" else "\n"
        return subprocess.CompletedProcess(argv, 0, out, "WARNING: Error loading config file\n")

    assert EdgeEngine(EDGE, tmp_path, warns).look().addresses == {}


def test_an_engine_that_does_not_answer_is_told(tmp_path):
    def silent(argv, timeout=0):
        return subprocess.CompletedProcess(argv, 1, "", "Cannot connect to the Docker daemon\n")

    with pytest.raises(UserError, match="docker network inspect failed: Cannot connect"):
        EdgeEngine(EDGE, tmp_path, silent).look()


@pytest.mark.parametrize(("image", "master"), [(EDGE.image, 42), ("nginx:older", 0)])
def test_an_nginx_from_another_image_is_none(image, master):
    nginx = {
        "Name": "/sluice-edge-nginx",
        "Config": {"Image": image},
        "Image": "sha256:1",
        "State": {"Pid": 42},
        "NetworkSettings": {"Networks": {}},
    }
    look = look_at([nginx], EDGE, "sluice-edge-nginx", {})
    assert (look.master, look.image) == (master, "sha256:1" if master else "")


def test_workers_that_shut_down_do_not_count(tmp_path):
    titles = {
        7: (1, "nginx: worker process"),
        8: (1, "nginx: worker process is shutting down"),
        9: (2, "nginx: worker process"),
        10: (1, "nginx: cache manager process"),
    }
    for pid, (parent, title) in titles.items():
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (ng) x) S {parent} 0 0")
        (folder / "cmdline").write_bytes(title.encode() + b"\0")
    assert workers(1, tmp_path) == {7}
    (tmp_path / "1/task/1").mkdir(parents=True)
    (tmp_path / "1/task/1/children").write_text("7 8 10 4000000 ")
    assert workers(1, tmp_path) == {7}


def test_maintenance_on_demand_outlives_a_release_and_whoever_comes_after_a_reboot(store, docker):
    closed = dataclasses.replace(site(csp_hash_scripts=False), maintenance=True)
    apply(store, EdgeEngine(EDGE, store.root, docker), state(closed), {"shop": PAIR})
    written = store.files()["sites/shop.conf"]
    assert b"503" in written
    switching.switch(Store(store.root), "shop", request("blue"), docker)
    after = Store(store.root)
    assert after.state().sites["shop"].maintenance
    assert after.files()["sites/shop.conf"] == written


def test_a_stack_s_certificate_is_forgotten_where_that_is_asked_for(store, docker):
    places = [f"acme/{kind}" for kind in ("renewal/shop.conf", "live/shop/privkey.pem", "archive/shop/privkey1.pem")]
    places += ["dns/shop.ini", "attempts/shop.json", "csp/shop.json", "acme/live/blog/privkey.pem"]
    for place in places:
        (store.root / place).parent.mkdir(parents=True, exist_ok=True)
        (store.root / place).write_text("x")

    def left() -> list[str]:
        return [place for place in places if (store.root / place).exists()]

    assert install.take_off(store, "shop", forget=True, check=True, runner=docker).changed
    assert left() == places
    assert install.take_off(store, "shop", runner=docker).changed
    assert left() == places
    assert install.take_off(store, "shop", forget=True, runner=docker).changed
    assert left() == ["acme/live/blog/privkey.pem"]
    assert not install.take_off(store, "shop", forget=True, runner=docker).changed
