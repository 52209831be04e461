from __future__ import annotations

import pathlib

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.filter.settings import unknown_settings

ROLES = pathlib.Path(__file__).resolve().parents[4] / "roles"


@pytest.fixture
def role(tmp_path):
    specs = {"argument_specs": {"main": {"options": {"edge_port": {}, "edge_acme_email": {}}}}}
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/argument_specs.yml").write_text(yaml.safe_dump(specs))
    return str(tmp_path)


def test_misspelt_names_get_a_hint(role):
    assert unknown_settings(["edge_prot", "edge_port"], role) == [
        "edge_prot is not a setting (did you mean 'edge_port'?)"
    ]


def test_names_far_from_any_are_named_all_the_same(role):
    assert unknown_settings(["edge_zzz"], role) == ["edge_zzz is not a setting"]


@pytest.mark.parametrize(
    "role", sorted(p.parent.parent for p in ROLES.glob("*/meta/argument_specs.yml")), ids=lambda p: p.name
)
def test_every_role_looks_at_its_own_names(role):
    said = f"query('ansible.builtin.varnames', '^{role.name}_') | sluice.deploy.unknown_settings(role_path)"
    assert any(said in tasks.read_text(encoding="utf-8") for tasks in role.glob("tasks/*.yml"))
