from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost import daemon_config
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError


def test_objects_are_merged_lists_replaced_and_nulls_dropped():
    present = {"labels": ["a"], "log-opts": {"tag": "x", "max-size": "1m"}, "mtu": 1400, "dns": ["1.1.1.1"]}
    wanted = {"log-opts": {"max-size": "10m"}, "mtu": None, "dns": [], "absent": None}
    assert daemon_config.merge(present, wanted) == {
        "labels": ["a"],
        "log-opts": {"tag": "x", "max-size": "10m"},
        "dns": [],
    }
    assert present["log-opts"] == {"tag": "x", "max-size": "1m"}


def test_an_object_takes_the_place_of_a_scalar():
    assert daemon_config.merge({"log-opts": "x"}, {"log-opts": {"a": "b"}}) == {"log-opts": {"a": "b"}}


def test_options_of_a_log_driver_go_with_it():
    present = {"log-driver": "syslog", "log-opts": {"syslog-address": "x"}, "mtu": 1400}
    wanted = {"log-driver": "json-file", "log-opts": {"max-size": "1m"}}
    assert daemon_config.lay_over(present, wanted) == {**wanted, "mtu": 1400}
    kept = daemon_config.lay_over({"log-opts": {"tag": "x"}}, wanted)
    assert kept["log-opts"] == {"tag": "x", "max-size": "1m"}


def test_rendering_is_stable():
    assert daemon_config.render({"b": 1, "a": 2}) == daemon_config.render({"a": 2, "b": 1})
    assert daemon_config.parse(daemon_config.render({"é": [1]}), "f") == {"é": [1]}


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_file_is_an_empty_configuration(text):
    assert daemon_config.parse(text, "f") == {}


@pytest.mark.parametrize(("text", "message"), [("{", "f is not valid JSON"), ("[]", "f holds no JSON object")])
def test_a_broken_file_is_named(text, message):
    with pytest.raises(UserError, match=message):
        daemon_config.parse(text, "f")
