# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report makes of tasks that measured, were skipped, or came to no result."""

from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.plugin_utils.report.collect import collect

RESULT = {"id": "image_size.app", "title": "Size", "status": "pass"}


def collected(registered):
    return collect([{"id": "image_size", "title": "Sizes of the images", "registered": registered}])


@pytest.mark.parametrize(
    ("registered", "told"),
    [
        ({"failed": False, "msg": "docker_host: no engine answers"}, "docker_host: no engine answers"),
        ({"failed": False, "module_stderr": "Killed", "rc": 137}, "the check gave no result"),
        ({"failed": False, "results": [], "images": [], "status": "skip"}, "the check gave no result"),
        ({"failed": False, "results": [], "msg": "MODULE FAILURE"}, "MODULE FAILURE"),
        ({"failed": False, "results": None}, "the check gave no result"),
        ({}, "the check gave no result"),
    ],
)
def test_a_check_that_measured_nothing_has_failed(registered, told):
    (result,) = collected(registered)
    assert (result["id"], result["status"], result["measured"]) == ("image_size", "fail", "not measured")
    assert result["evidence"] == [told]


def test_a_check_that_was_not_asked_for_is_skipped():
    assert [result["status"] for result in collected({"skipped": True, "results": []})] == ["skip"]


def test_a_check_that_measured_is_told_as_it_is():
    assert [result["id"] for result in collected({"failed": False, "results": [RESULT]})] == ["image_size.app"]
