# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.archive import read_archive
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.judge import DEFAULT_FAIL_ON, Reference, judge
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.limits import exactly, parse_limits
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.report import as_data, measure
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import docker_archive, tar

LAYERS = [tar([("a", b"1" * 600), ("b", b"1" * 400)]), tar([(".wh.a", b"")])]


def report(**config):
    return measure(read_archive([docker_archive(LAYERS, **config)], "x")[0], "unpacked")


def statuses(limits, reference=None, fail_on=DEFAULT_FAIL_ON, **config):
    results = judge("app", report(**config), parse_limits(limits), reference, fail_on)
    return {result["id"]: result["status"] for result in results}


@pytest.mark.parametrize(
    ("limits", "check", "status"),
    [
        ({"max_size": 1001}, "size", "pass"),
        ({"max_size": "1kB"}, "size", "pass"),
        ({"max_size": 999}, "size", "fail"),
        ({"max_layers": 2}, "layers", "pass"),
        ({"max_layers": 1}, "layers", "fail"),
        ({"max_wasted": 600}, "wasted", "pass"),
        ({"max_wasted": 599}, "wasted", "fail"),
        ({"max_wasted": "60%"}, "wasted", "pass"),
        ({"max_wasted": "59.999%"}, "wasted", "fail"),
        ({"max_wasted": 0}, "wasted", "fail"),
    ],
)
def test_the_limit_itself_passes_and_one_more_does_not(limits, check, status):
    assert statuses(limits)[f"image_{check}.app"] == status


@pytest.mark.parametrize(
    ("growth", "before", "status"),
    [
        ("100B", 900, "pass"),
        ("99B", 900, "fail"),
        ("25%", 800, "pass"),
        ("24.9%", 800, "fail"),
        (0, 1000, "pass"),
        (0, 999, "fail"),
        (0, 2000, "pass"),
        ("10%", None, "skip"),
    ],
)
def test_growth_is_measured_from_the_reference(growth, before, status):
    assert statuses({"max_growth": growth}, Reference("old", before))["image_growth.app"] == status


def test_what_does_not_fail_the_play_warns():
    assert statuses({"max_size": 1}, fail_on=())["image_size.app"] == "warn"
    assert statuses({})["image_root.app"] == "warn"
    assert statuses({}, fail_on=("root",))["image_root.app"] == "fail"
    assert statuses({}, user="1000")["image_root.app"] == "pass"


def test_secrets_fail_without_a_limit():
    env = ["APP_SECRET=hunter2-synthetic"]
    assert statuses({}, env=env)["image_secret_names.app"] == "fail"
    assert "hunter2" not in repr(judge("app", report(env=env), parse_limits({}), None, ()))


NODE = [tar([(f"app/node_modules/{name}/index.js", name.encode() * 3000) for name in "abc"] + [("app/x", b"1" * 900)])]


@pytest.mark.parametrize(
    ("layers", "limit", "says"),
    [
        (LAYERS, 400, "together saves at most 600 B; the limit needs 600 B"),
        (LAYERS, 399, "together saves at most 600 B of the 601 B that the limit needs"),
        (NODE, 5000, "its files hold nothing to leave out: 4.9 kB of what the image is made of must go"),
    ],
)
def test_advice_says_whether_it_reaches_the_limit(layers, limit, says):
    measured = measure(read_archive([docker_archive(layers)], "x")[0], "unpacked")
    result = judge("app", measured, parse_limits({"max_size": limit}), None, DEFAULT_FAIL_ON)[0]
    assert says in result["advice"][-1]
    assert len(result["advice"]) <= 5


def test_a_failed_size_names_the_largest_directory():
    measured = measure(read_archive([docker_archive(NODE)], "x")[0], "unpacked")
    (result, *_others) = judge("app", measured, parse_limits({"max_size": 5000}), None, DEFAULT_FAIL_ON)
    assert "largest directory: 9.0 kB /app/node_modules" in result["evidence"]
    (result, *_others) = judge("app", measured, parse_limits({"max_size": 50_000}), None, DEFAULT_FAIL_ON)
    assert "largest directory" not in repr(result)


def test_a_failed_size_says_where_the_bytes_are_and_what_to_change():
    result = judge("app", report(), parse_limits({"max_size": 999}), None, ("size",))[0]
    assert (result["measured"], result["limit"]) == ("1.0 kB", "999 B")
    assert result["evidence"][0] == "1000 bytes unpacked, limit 999, in 2 layers"
    assert result["evidence"][1] == "layer 1: 1.0 kB RUN step 1"
    assert result["advice"][0].startswith("saves 600 B: layer 2 (RUN step 2) deletes files of layer 1")


def test_sizes_that_round_alike_are_shown_in_bytes():
    assert exactly(500_000_001, 500_000_000) == ("500000001 B", "500000000 B")
    assert exactly(500_000_000, 500_000_000) == ("500.0 MB", "500.0 MB")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"max_size": "much"}, "max_size: 'much' is not a size"),
        ({"max_size": 0}, "max_size: 0 bytes would fail every image"),
        ({"max_size": "0MB"}, "max_size: 0 bytes would fail every image"),
        ({"max_size": -5}, "max_size: -5 is negative"),
        ({"max_size": "50%"}, "max_size: '50%' is not a size"),
        ({"max_layers": 0}, "max_layers: 0 would fail every image"),
        ({"max_layers": -1}, "max_layers: -1 would fail every image"),
        ({"max_wasted": "ten%"}, "max_wasted: 'ten%' is not a percentage"),
        ({"max_wasted": "-1%"}, "max_wasted: '-1%' is not a percentage"),
        ({"max_growth": "5Mbit"}, "max_growth: '5Mbit' has the unknown unit"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(limits, says):
    with pytest.raises(UserError) as caught:
        parse_limits(limits)
    assert says in str(caught.value)


def test_the_returned_data_is_plain_and_tells_the_layers():
    data = as_data(report())
    assert [(item["layer"], item["size"], item["wasted"]) for item in data["layers"]] == [(1, 1000, 600), (2, 0, 0)]
    assert data["wasted"]["bytes"] == 600
    assert data["wasted"]["percent"] == 60.0
    assert data["wasted"]["largest"] == [{"path": "/a", "size": 600, "layer": 1, "hidden_by": 2, "why": "deleted"}]
    assert data["largest_files"] == [{"path": "/b", "size": 400, "layer": 1}]
