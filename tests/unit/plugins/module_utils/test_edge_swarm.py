# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All edges of a swarm as one: switched or put back, asked, and brought one certificate."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import attempts, brought, everywhere, lineage, swarm
from ansible_collections.sluice.deploy.plugins.module_utils.edge import switch as switching
from ansible_collections.sluice.deploy.plugins.module_utils.edge.apply import apply
from ansible_collections.sluice.deploy.plugins.module_utils.edge.certificates import facts, self_signed
from ansible_collections.sluice.deploy.plugins.module_utils.edge.engine import EdgeEngine
from ansible_collections.sluice.deploy.plugins.module_utils.edge.inbox import answer_all
from ansible_collections.sluice.deploy.plugins.module_utils.edge.job import Job
from ansible_collections.sluice.deploy.plugins.module_utils.edge.renewal import wants_issue
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, FakeDocker, site, state

ALIASES = {
    f"shop_{colour}_{service}": f"10.0.{number}.{2 + place}"
    for number, colour in enumerate(("blue", "green"))
    for place, service in enumerate(("server", "front"))
}


class Died(BaseException):
    """As by kill -9: nothing is done any more."""


class FakeSwarm:
    """A manager's docker; each job is run by the very inbox of each node, as the job's script would have it."""

    def __init__(self, tmp_path, *hosts):
        self.nodes = {host: {"status": "Ready", "availability": "Active", "silent": False} for host in hosts}
        self.stores, self.dockers = {}, {}
        for host in hosts:
            self.stores[host], self.dockers[host] = Store(tmp_path / host), FakeDocker(**ALIASES)
            self.install(host)
        self.services, self.secrets, self.calls = {}, {}, []
        self.dies_after, self.image = None, "sha256:1"

    def install(self, host, pair=None):
        store = self.stores[host]
        # Each has a placeholder of its own.
        pair = pair or self_signed(("shop.test",))
        (store.root / "inbox").mkdir(parents=True, exist_ok=True)
        apply(store, EdgeEngine(EDGE, store.root, self.dockers[host]), state(site()).with_secret(), {"shop": pair})

    def serving(self):
        return {host: switching.status(store, "shop")["serving"] for host, store in self.stores.items()}

    def run_job(self, name, host):
        """What a node does with a job: the script's part."""
        job, node, inbox = self.services[name], self.nodes[host], self.stores[host].root / "inbox"
        if node["status"] != "Ready" or job["tasks"].get(host, ("",))[0] == "Complete":
            return
        if node["silent"]:
            job["tasks"][host] = ("Running", "")
            return
        (inbox / "1.request").write_text(job["request"])
        answer_all(self.stores[host], self.dockers[host])
        told = next(p for p in inbox.iterdir() if p.stem == "1")
        job["tasks"][host] = ("Complete" if told.suffix == ".answer" else "Failed", told.read_text())
        told.unlink()
        assert not list(inbox.iterdir())

    def __call__(self, argv, timeout=0, told=""):
        self.calls.append(list(argv))
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                raise Died
        words = "info" if argv[1] == "info" else " ".join(argv[1:3])
        options = dict(word[2:].split("=", 1) for word in argv if word.startswith("--") and "=" in word)
        labels = [word.partition("label=")[2] for word in argv if word.startswith(("--label=", "--filter=label="))]
        out = getattr(self, words.replace(" ", "_"))(argv, options, labels, told)
        return subprocess.CompletedProcess(argv, 0, out or "", "")

    def info(self, argv, options, labels, told):
        return "true"

    def service_update(self, argv, options, labels, told):
        for host in self.nodes:
            self.run_job(argv[-1], host)

    def node_ls(self, argv, options, labels, told):
        rows = [
            {"ID": f"id{host}", "Hostname": host, "Status": n["status"], "Availability": n["availability"]}
            for host, n in self.nodes.items()
        ]
        return "\n".join(map(json.dumps, rows))

    def image_inspect(self, argv, options, labels, told):
        return json.dumps({"Id": self.image, "RepoDigests": []})

    def secret_create(self, argv, options, labels, told):
        self.secrets[argv[-2]] = (labels, told)

    def secret_ls(self, argv, options, labels, told):
        return "\n".join(name for name, (own, _) in self.secrets.items() if set(labels) <= set(own))

    def secret_rm(self, argv, options, labels, told):
        del self.secrets[argv[-1]]

    def service_create(self, argv, options, labels, told):
        secret = options.get("secret", "").partition("source=")[2].partition(",")[0]
        request = self.secrets[secret][1] if secret else argv[argv.index(next(a for a in argv if "REQUEST=" in a))][14:]
        self.services[options["name"]] = {"labels": labels, "request": request, "tasks": {}}
        for host in self.nodes:
            self.run_job(options["name"], host)

    def service_ps(self, argv, options, labels, told):
        rows = [
            {"Name": f"{argv[-1]}.id{host}", "CurrentState": f"{state} 1 second ago", "Error": "non-zero exit (1)"}
            for host, (state, _) in self.services[argv[-1]]["tasks"].items()
        ]
        return "\n".join(map(json.dumps, rows))

    def service_logs(self, argv, options, labels, told):
        return "\n".join(f"id{host} {words}" for host, (_, words) in self.services[argv[-1]]["tasks"].items())

    def service_ls(self, argv, options, labels, told):
        return "\n".join(name for name, job in self.services.items() if set(labels) <= set(job["labels"]))

    def service_rm(self, argv, options, labels, told):
        for name in argv[3:]:
            del self.services[name]


@pytest.fixture
def three(tmp_path, monkeypatch):
    monkeypatch.setattr(EdgeEngine, "reload", lambda engine, master: None)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(switching, "_WORD_SECONDS", 0)
    monkeypatch.setattr(swarm, "_POLL_SECONDS", 0)
    monkeypatch.setattr(swarm, "_LOG_PAUSES", ())
    monkeypatch.setattr(brought, "_SECONDS", 0.2)
    for name in ("_SWITCH_SECONDS", "_BACK_SECONDS", "_ASK_SECONDS"):
        monkeypatch.setattr(everywhere, name, 0.2)
    return FakeSwarm(tmp_path, "m1", "w1", "w2")


def request(colour):
    ports = {"server": 3000, "front": 3001}
    targets = {service: [f"shop-{colour}-{service}:{port}"] for service, port in ports.items()}
    return json.dumps({"colour": colour, "upstreams": targets if colour else {}})


def switch(three, colour):
    return everywhere.switch(three.stores["m1"], "shop", request(colour), three)


def of(verb, three):
    return [name for name in three.services if f"-{verb}-" in name]


def test_all_switch_and_the_last_job_stays_for_who_comes_later(three):
    assert switch(three, "blue") == {
        "stack": "shop", "serving": "blue", "previous": None, "changed": True, "left_out": []
    }  # fmt: skip
    switch(three, "green")
    assert three.serving() == {"m1": "green", "w1": "green", "w2": "green"}
    answer = everywhere.status(three.stores["m1"], "shop", three)
    assert (answer["serving"], answer["previous"], answer["left_out"]) == ("green", "blue", [])
    assert len(three.services) == len(of("to", three)) == 1


def test_one_that_was_down_is_told_when_it_is_back(three):
    three.nodes["w2"]["status"] = "Down"
    switch(three, "blue")
    three.nodes["w2"]["status"] = "Ready"
    # The swarm itself does nothing about it.
    assert three.serving()["w2"] is None
    manager = swarm.Swarm(EDGE, three.stores["m1"].root, three)
    manager.remind()
    assert three.serving() == dict.fromkeys(three.nodes, "blue")
    three.calls.clear()
    manager.remind()
    assert not [call for call in three.calls if call[1:3] == ["service", "update"]]


def test_a_job_sees_the_inbox_alone(three):
    switch(three, "blue")
    made = next(call for call in three.calls if call[1:3] == ["service", "create"])
    assert [word for word in made if word.startswith("--mount")] == [
        f"--mount=type=bind,src={three.stores['m1'].root}/inbox,dst=/inbox"
    ]
    assert {"--read-only", "--cap-drop=ALL", f"--user={EDGE.uid}:{EDGE.uid}"} <= set(made)


@pytest.mark.parametrize("colour", ["blue", None])
def test_where_one_refuses_all_are_put_back_and_it_is_named(three, colour):
    switch(three, colour)
    del three.dockers["w1"].addresses["shop-green-front"]
    with pytest.raises(UserError) as told:
        switch(three, "green")
    assert str(told.value) == (
        "w1: no running container on the edge network answers to 'shop-green-front';"
        f" all edges serve {colour or 'the maintenance page'} as before"
    )
    assert three.serving() == dict.fromkeys(three.nodes, colour)


def test_one_that_is_silent_is_told_in_time_and_put_back_when_it_can_be(three):
    switch(three, "blue")
    three.nodes["w2"]["silent"] = True
    with pytest.raises(UserError, match=r"^w2: no answer within .*not all edges could be put back: w2: no answer"):
        switch(three, "green")
    assert three.serving() == dict.fromkeys(three.nodes, "blue")
    three.nodes["w2"]["silent"] = False
    (name,) = three.services
    three.run_job(name, "w2")
    assert three.serving() == dict.fromkeys(three.nodes, "blue")


def test_one_that_is_down_is_left_out_and_catches_up(three):
    switch(three, "blue")
    three.nodes["w2"]["status"] = "Down"
    assert switch(three, "green")["left_out"] == ["w2"]
    assert everywhere.status(three.stores["m1"], "shop", three)["left_out"] == ["w2"]
    three.nodes["w2"]["status"] = "Ready"
    assert everywhere.status(three.stores["m1"], "shop", three)["serving"] == "mixed"
    three.run_job(of("to", three)[0], "w2")
    assert everywhere.status(three.stores["m1"], "shop", three)["serving"] == "green"


def test_one_that_goes_down_meanwhile_is_left_out(three, monkeypatch):
    monkeypatch.setattr(swarm, "_NODES_SECONDS", 0)
    three.nodes["w2"]["silent"] = True
    listed = three.node_ls

    def dying(*given):
        told = listed(*given)
        three.nodes["w2"]["status"] = "Down"
        return told

    monkeypatch.setattr(three, "node_ls", dying)
    assert switch(three, "blue")["left_out"] == ["w2"]
    assert three.serving() == {"m1": "blue", "w1": "blue", "w2": None}


@pytest.mark.parametrize(("late", "complete"), [(2, True), (9, False)])
def test_an_answer_that_is_late_is_waited_for_and_one_that_is_lost_is_told(three, monkeypatch, late, complete):
    monkeypatch.setattr(swarm, "_LOG_PAUSES", (0, 0, 0))
    switch(three, "blue")
    whole, turns = three.service_logs, []

    def logs(*given):
        turns.append(1)
        rows = whole(*given).splitlines()
        return "\n".join(rows if len(turns) > late else rows[:-1])

    monkeypatch.setattr(three, "service_logs", logs)
    if complete:
        assert len(everywhere.status(three.stores["m1"], "shop", three)["nodes"]) == 3
    else:
        with pytest.raises(UserError, match=r"^w2: its answer was lost"):
            everywhere.status(three.stores["m1"], "shop", three)


@pytest.mark.parametrize("changes", [{"availability": "Drain"}, {"status": "Unknown"}])
def test_one_that_serves_and_cannot_be_asked_stops_it_before_anything_is_switched(three, changes, monkeypatch):
    monkeypatch.setattr(swarm, "_UNKNOWN_SECONDS", -1)
    three.nodes["w1"] |= changes
    with pytest.raises(UserError, match="w1"):
        switch(three, "blue")
    assert not three.services
    assert three.serving() == dict.fromkeys(three.nodes)


@pytest.mark.parametrize("wanted", ["blue", "green"])
def test_whoever_dies_at_any_step_is_mended_by_the_next(three, wanted):
    switch(three, "blue")
    step, died = 0, True
    while died:
        three.dies_after, died = step, False
        try:
            switch(three, "green")
        except Died:
            died = True
        three.dies_after = None
        switch(three, wanted)
        # A node that is late with what the dead one had made does it no more.
        assert three.serving() == dict.fromkeys(three.nodes, wanted), step
        assert len(three.services) == 1, step
        switch(three, "blue")
        step += 1
    assert step > 3


def test_what_is_older_is_done_no_more_and_the_same_again_does_no_harm(three):
    switch(three, "blue")
    old = dict(three.services)
    switch(three, "green")
    three.services.update({name: {**job, "tasks": {}} for name, job in old.items()})
    three.run_job(next(iter(old)), "w1")
    assert three.serving()["w1"] == "green"
    (name,) = (n for n in of("to", three) if n not in old)
    three.services[name]["tasks"].clear()
    three.run_job(name, "w1")
    assert three.services[name]["tasks"]["w1"][0] == "Complete"


def test_a_clock_that_is_behind_makes_no_request_that_is_too_old(three, monkeypatch):
    switch(three, "blue")
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    switch(three, "green")
    assert three.serving() == dict.fromkeys(three.nodes, "green")


def test_a_request_that_nobody_waits_for_is_not_done(three):
    inbox = three.stores["w1"].root / "inbox"
    for name, age in (("1.request", 90), ("2.answer", 90), ("3.answer", 5)):
        (inbox / name).write_text(Job("to", "shop", 1, request("blue")).request())
        os.utime(inbox / name, (time.time() - age,) * 2)
    answer_all(three.stores["w1"], three.dockers["w1"])
    assert [p.name for p in inbox.iterdir()] == ["3.answer"]
    assert three.serving()["w1"] is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"verb": "rm"}', '{"verb":"to","stack":1,"number":1,"body":""}'])
def test_what_is_no_request_is_refused_in_words(three, text):
    inbox = three.stores["w1"].root / "inbox"
    (inbox / "1.request").write_text(text)
    answer_all(three.stores["w1"], three.dockers["w1"])
    (told,) = inbox.iterdir()
    assert told.name == "1.refusal"
    assert "not understood" in told.read_text()


def test_a_link_in_the_inbox_leads_nowhere(three, tmp_path):
    inbox, secret = three.stores["w1"].root / "inbox", tmp_path / "secret"
    secret.write_text("x")
    (inbox / "1.request").symlink_to(secret)
    answer_all(three.stores["w1"], three.dockers["w1"])
    assert not list(inbox.iterdir())
    assert secret.exists()


@pytest.fixture
def issued(three, monkeypatch):
    """The lead has one certificate, which the others take for a CA's."""
    pair = self_signed(("shop.test", "www.shop.test"))
    monkeypatch.setattr(brought, "facts", lambda chain: replace(facts(chain), self_signed=False))
    store = three.stores["m1"]
    apply(store, EdgeEngine(EDGE, store.root, three.dockers["m1"]), store.state(), {"shop": pair})
    return pair


@pytest.fixture
def lead(three):
    """The lead's own store, which knows what its network is; as a node, it stays on what the pretended engine has."""
    store, node = Store(three.stores["m1"].root), three.stores["m1"]
    store.state = lambda: replace(node.state(), edge=replace(EDGE, overlay=True))
    return store


def test_the_lead_s_certificate_is_everywhere_and_its_key_is_in_no_argument(three, issued, lead):
    assert everywhere.certificate(three.stores["m1"], "shop", three)["equal"] is False
    said = []
    assert brought.bring(lead, said.append, three) == []
    assert said == ["shop: all edges have the certificate"]
    answer = everywhere.certificate(three.stores["m1"], "shop", three)
    assert (answer["equal"], sorted(answer["nodes"])) == (True, ["m1", "w1", "w2"])
    for store in three.stores.values():
        assert store.files()["tls/shop.key"] == issued[1]
    assert len({Store(store.root).state().secret for store in three.stores.values()}) == 1
    key = issued[1].decode().splitlines()[1]
    assert not [call for call in three.calls if key in " ".join(call)]
    assert len(three.secrets) == len(of("bring", three)) == 1


def test_it_is_brought_once_and_the_former_secret_goes(three, issued, lead):
    brought.bring(lead, print, three)
    before, calls = dict(three.services), len(three.calls)
    brought.bring(lead, print, three)
    assert three.services == before
    made = [call for call in three.calls[calls:] if call[2] in ("create", "rm")]
    assert not made
    store, renewed = three.stores["m1"], self_signed(("shop.test",))
    apply(store, EdgeEngine(EDGE, store.root, three.dockers["m1"]), store.state(), {"shop": renewed})
    brought.bring(lead, print, three)
    assert three.stores["w1"].files()["tls/shop.key"] == renewed[1]
    assert len(three.secrets) == len(three.services) == 1
    assert not set(before) & set(three.services)


def test_one_that_does_not_take_it_is_named_and_tried_again(three, issued, lead, monkeypatch):
    three.dockers["w2"].refusal = "no"
    (trouble,) = brought.bring(lead, print, three)
    assert trouble.startswith("shop: not all edges have the certificate: w2: nginx refuses")
    three.dockers["w2"].refusal = ""
    three.run_job(of("bring", three)[0], "w2")
    assert three.stores["w2"].files()["tls/shop.key"] == issued[1]


def test_one_that_fails_first_is_waited_for(three, issued, lead, monkeypatch):
    monkeypatch.setattr(brought, "_SECONDS", 5)
    three.dockers["w2"].refusal = "not yet"
    told = three.service_ps

    def later(argv, *given):
        rows = told(argv, *given)
        three.dockers["w2"].refusal = ""
        three.run_job(argv[-1], "w2")
        return rows

    monkeypatch.setattr(three, "service_ps", later)
    assert brought.bring(lead, print, three) == []


def test_jobs_that_stay_are_made_anew_with_another_image(three, issued, lead):
    switch(three, "blue")
    brought.bring(lead, print, three)
    before = set(three.services)
    assert everywhere.renew(lead, three) == []
    assert set(three.services) == before
    three.image = "sha256:2"
    assert everywhere.renew(lead, three) == []
    assert brought.bring(lead, print, three) == []
    assert len(three.services) == 2
    assert not before & set(three.services)
    assert three.serving() == dict.fromkeys(three.nodes, "blue")


def test_one_that_is_made_an_edge_later_is_told_by_the_next_run(three, issued, lead):
    switch(three, "blue")
    assert brought.bring(lead, print, three) == []
    assert not brought.wanting(lead, lead.state().edge, "shop", three)
    # The swarm has no task for it, as for a node that got the label after the job was made.
    for job in three.services.values():
        del job["tasks"]["w2"]
    three.install("w2")
    assert brought.wanting(lead, lead.state().edge, "shop", three)
    assert brought.bring(lead, print, three) == everywhere.renew(lead, three) == []
    assert everywhere.status(three.stores["m1"], "shop", three)["serving"] == "blue"
    assert everywhere.certificate(three.stores["m1"], "shop", three)["equal"]
    assert not brought.wanting(lead, lead.state().edge, "shop", three)


def held_by_certbot(root, stack, pair):
    """What certbot leaves after it got a certificate."""
    acme = root / "acme"
    account = acme / "accounts/ca.test:14000/dir~1/abc"
    account.mkdir(parents=True)
    (account / "private_key.json").write_text('{"kty": "planted"}')
    for folder in (acme / "archive" / stack, acme / "live" / stack, acme / "renewal"):
        folder.mkdir(parents=True)
    (acme / "renewal" / f"{stack}.conf").write_text("account = abc")
    for part, content in {"cert": pair[0], "chain": b"", "fullchain": pair[0], "privkey": pair[1]}.items():
        (acme / "archive" / stack / f"{part}3.pem").write_bytes(content)
        (acme / "live" / stack / f"{part}.pem").symlink_to(f"../../archive/{stack}/{part}3.pem")


def test_every_edge_could_take_the_lead_s_place(three, issued, lead):
    root, other = lead.root, three.stores["w1"].root
    held_by_certbot(root, "shop", issued)
    wanted = lead.state().sites["shop"].certificate.issued_as(lead.state().sites["shop"].names)
    attempts.save(root, "shop", attempts.Attempts(issued=wanted))
    assert brought.bring(lead, print, three) == []
    assert lineage.pack(other, "shop") == lineage.pack(root, "shop") != {}
    assert (other / "acme/live/shop/privkey.pem").read_bytes() == issued[1]
    # As the lead it would renew what there is, and ask for none.
    assert not wants_issue(lead.state().sites["shop"], other)
    before = (other / "acme/live/shop/privkey.pem").lstat().st_mtime_ns
    brought.bring(lead, print, three)
    assert (other / "acme/live/shop/privkey.pem").lstat().st_mtime_ns == before


@pytest.mark.parametrize(
    "place",
    ["../conf/x", "accounts/../x", "accounts/.x/y", "archive/other/cert1.pem", "renewal/../../x", "live/shop/cert.pem"],
)
def test_certbot_s_files_are_put_nowhere_else(tmp_path, place):
    with pytest.raises(UserError, match="no file of certbot"):
        lineage.unpack(tmp_path, "shop", {place: "x"}, os.getuid())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("body", ["{}", "x", json.dumps({"chain": "a", "key": "planted", "secret": ""})])
def test_what_is_no_pair_is_refused_without_its_words(three, body):
    with pytest.raises(UserError) as told:
        brought.receive(three.stores["w1"], "shop", body, three.dockers["w1"])
    assert "planted" not in str(told.value)


def test_a_certificate_for_other_names_is_not_put_in_place(three):
    chain, key = self_signed(("other.test",))
    body = json.dumps({"chain": chain.decode(), "key": key.decode(), "secret": ""})
    with pytest.raises(UserError, match=r"is not for shop\.test"):
        brought.receive(three.stores["w1"], "shop", body, three.dockers["w1"])
