# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.archive import read_archive
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.gate import (
    GateOutcome,
    Settings,
    examine,
    run,
    wanted_images,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    docker_archive,
    oci_archive,
    tar,
)

LAYERS = [tar([("a", b"1" * 600), ("b", b"1" * 400)]), tar([(".wh.a", b"")])]
OPTIONS = {
    "source": "engine",
    "basis": "unpacked",
    "platform": "",
    "analysis": "always",
    "fail_on": ["size"],
    "top": 10,
}


class Source:
    """Images by name, and a note of what was asked for."""

    def __init__(self, **images):
        self.images, self.asked = images, []

    def load(self, name, platform, files):
        self.asked.append((name, files))
        images = read_archive([self.images[name]], name)
        if not files:
            for layer in images[0].layers:
                layer.index = None
        return images


def examined(options, analysis="always", **images):
    source, outcome = Source(**images), GateOutcome()
    for wanted in wanted_images(options, options["images"], source):
        examine(source, wanted, Settings(analysis=analysis, fail_on=["size", "growth"]), outcome)
    return source, outcome


def test_an_archive_is_judged_from_end_to_end(tmp_path):
    path = tmp_path / "app.tar"
    path.write_bytes(docker_archive(LAYERS))
    outcome = run({**OPTIONS, "archive": str(path), "max_size": "999B"})
    assert [result["id"] for result in outcome.results] == [
        "image_size.app",
        "image_secret_names.app",
        "image_root.app",
    ]
    assert outcome.results[0]["status"] == "fail"
    assert (outcome.images[0]["size"], outcome.images[0]["limit"]) == (1000, 999)


def test_every_platform_of_an_archive_has_a_name_of_its_own(tmp_path):
    path = tmp_path / "app.tar"
    path.write_bytes(oci_archive(LAYERS, ("amd64", "arm64")))
    both = run({**OPTIONS, "archive": str(path), "basis": "compressed", "max_size": 1})
    assert [image["name"] for image in both.images] == ["app-linux-amd64", "app-linux-arm64"]
    one = run({**OPTIONS, "archive": str(path), "platform": "linux/arm64"})
    assert [image["platform"] for image in one.images] == ["linux/arm64"]
    with pytest.raises(UserError, match="is not there for linux/s390x, only for linux/amd64, linux/arm64"):
        run({**OPTIONS, "archive": str(path), "platform": "linux/s390x"})


@pytest.mark.parametrize(
    ("analysis", "limits", "looks"),
    [
        ("always", {}, [True]),
        ("never", {"max_size": 1}, [False]),
        ("on_fail", {"max_size": 1000}, [False]),
        ("on_fail", {"max_size": 999}, [False, True]),
        ("never", {"max_wasted": "1%"}, [True]),
    ],
)
def test_files_are_looked_at_when_that_is_asked_for(analysis, limits, looks):
    quiet = docker_archive(LAYERS, user="1000")
    source, outcome = examined({"images": ["app"], **limits}, analysis, app=quiet)
    assert [files for _name, files in source.asked] == looks
    assert outcome.images[0]["analysed"] is looks[-1]
    assert len(outcome.images) == 1


def test_each_image_may_have_limits_of_its_own():
    options = {
        "images": ["a", {"image": "b", "name": "front", "max_size": "2kB"}],
        "max_size": 999,
        "max_layers": 2,
    }
    _source, outcome = examined(options, a=docker_archive(LAYERS), b=docker_archive(LAYERS))
    statuses = {result["id"]: result["status"] for result in outcome.results}
    assert statuses["image_size.a"] == "fail"
    assert statuses["image_size.front"] == "pass"
    assert statuses["image_layers.front"] == "pass"


def test_growth_is_measured_from_the_image_named():
    options = {"images": [{"image": "new", "reference": "old"}], "max_growth": "10%"}
    _source, outcome = examined(options, new=docker_archive(LAYERS), old=docker_archive([tar([("a", b"1" * 900)])]))
    growth = next(result for result in outcome.results if result["id"] == "image_growth.new")
    assert (growth["status"], growth["measured"], growth["limit"]) == ("fail", "11.11 %", "10 %")
    assert (outcome.images[0]["reference"], outcome.images[0]["reference_size"]) == ("old", 900)


def test_images_of_one_name_are_told_apart():
    wanted = wanted_images({}, ["a.example.com/app:1", "b.example.com/app:1", "sha256:" + "7" * 64], Source())
    assert [item.name for item in wanted] == ["app", "b.example.com/app:1", "7" * 12]


@pytest.mark.parametrize(
    ("items", "options", "says"),
    [
        ([{"image": "a", "max_sise": 1}], {}, "unknown key 'max_sise' .did you mean 'max_size'"),
        ([{"name": "a"}], {}, "an entry lacks the key image"),
        ([""], {}, "an entry lacks the key image"),
        ([{"image": "a", "max_size": "0"}], {}, "max_size: 0 bytes would fail every image"),
        (["a"], {"max_growth": "5%"}, "max_growth: set reference or reference_project"),
        (["a"], {"max_growth": "5%", "reference_project": "p"}, "only an engine knows what runs"),
    ],
)
def test_a_wrong_entry_is_named(items, options, says):
    with pytest.raises(UserError, match=says):
        wanted_images(options, items, Source())


def test_a_malformed_limit_is_found_before_anything_is_read():
    with pytest.raises(UserError, match="max_size: 'much'"):
        run({**OPTIONS, "archive": "/nowhere", "max_size": "much"})


def test_no_image_at_all_is_not_a_pass():
    with pytest.raises(UserError, match="nothing to measure"):
        run({**OPTIONS, "images": [], "source": "registry"})
