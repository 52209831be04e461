# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import attempts, csp
from ansible_collections.sluice.deploy.plugins.module_utils.edge.headers import CONTENT_SECURITY_POLICY
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.edge.violations import allowing, report, tidy
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import site, state


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "edge")
    made.make_current(made.write({"state.json": state().to_json().encode()}, os.getuid()))
    (made.root / "cache").mkdir()
    return made


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    time = [attempts.now()]
    monkeypatch.setattr(attempts, "now", lambda: time[0])
    return time


def line(page="/", directive="script-src-elem", blocked="inline") -> str:
    return (
        json.dumps({"policy": csp.policy_id(site()), "page": page, "directive": directive, "blocked": blocked}) + "\n"
    )


def log(store):
    return store.root / "cache/csp.shop.log"


def test_violations_are_counted_and_survive_a_tidying(store):
    log(store).write_text(line() + line(page="/admin") + line() + '{"half')
    before = report(store, site())
    assert before["violations"][0] == {"page": "/", "directive": "script-src-elem", "blocked": "inline", "count": 2}
    tidy(store)
    assert log(store).read_text() == ""
    assert report(store, site()) == before
    log(store).write_text(line())
    assert report(store, site())["violations"][0]["count"] == 3


def test_looking_changes_nothing(store):
    log(store).write_text(line())
    report(store, site())
    assert log(store).read_text() == line()
    assert not (store.root / "csp").exists()


def test_another_policy_begins_anew(store):
    log(store).write_text(line())
    tidy(store)
    log(store).write_text(line())
    assert report(store, site(csp="default-src 'self'"))["violations"] == []


def test_what_is_kept_is_bounded(store):
    log(store).write_text("".join(line(page=f"/{n}") for n in range(1000)))
    tidy(store)
    assert len(report(store, site())["violations"]) == 200


def test_enforcing_is_safe_after_a_quiet_week(store, clock):
    tidy(store)
    assert not report(store, site())["safe"]
    clock[0] += timedelta(days=8)
    assert report(store, site())["safe"]
    log(store).write_text(line())
    assert not report(store, site())["safe"]


@pytest.mark.parametrize("trap", ["symbolic", "hard", "fifo"])
def test_nginx_cannot_have_another_file_emptied(store, tmp_path, trap):
    other = tmp_path / "other"
    other.write_text(line())
    {
        "symbolic": lambda: log(store).symlink_to(other),
        "hard": lambda: log(store).hardlink_to(other),
        "fifo": lambda: os.mkfifo(log(store)),
    }[trap]()
    tidy(store)
    assert other.read_text() == line()
    assert report(store, site())["violations"] == []


@pytest.mark.parametrize("spoilt", ["", "[]", '{"policy": 1}'])
def test_a_spoilt_summary_is_begun_anew(store, spoilt):
    (store.root / "csp").mkdir()
    (store.root / "csp/shop.json").write_text(spoilt)
    assert report(store, site())["violations"] == []


def test_nothing_is_collected_for_the_app_or_beside_a_collector_of_ones_own(store):
    for settings in ({"csp_mode": "app"}, {"csp": ""}, {"csp": "default-src 'self'; report-uri /mine"}):
        assert not report(store, site(**settings))["collects"]


@pytest.mark.parametrize(
    ("directive", "blocked", "line"),
    [
        ("script-src-elem", "https://cdn.test", "script-src 'self' https://cdn.test"),
        ("script-src", "eval", "script-src 'self' 'unsafe-eval'"),
        ("script-src-attr", "inline", "script-src-attr 'unsafe-inline'"),
        ("object-src", "https://a.test", "object-src https://a.test"),
        ("frame-src", "https://a.test", "frame-src 'self' https://a.test"),
        ("media-src", "data", "media-src 'self' data:"),
        ("form-action", "https://a.test", "form-action 'self' https://a.test"),
    ],
)
def test_the_line_that_would_allow_it(directive, blocked, line):
    assert allowing(CONTENT_SECURITY_POLICY, [("/", directive, blocked)]) == [line]


def test_one_line_for_all_of_a_directive():
    seen = [("/", "img-src", "http://b.test"), ("/x", "img-src", "http://a.test"), ("/y", "img-src", "http://a.test")]
    assert allowing("img-src 'none'", seen) == ["img-src http://b.test http://a.test"]
