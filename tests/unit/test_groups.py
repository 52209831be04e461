"""The groups whose modules take their common options from module_defaults."""

from __future__ import annotations

import ast
import pathlib

import pytest
import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[2]
GROUPS = yaml.safe_load((PROJECT / "meta/runtime.yml").read_text(encoding="utf-8"))["action_groups"]


def fragments(module: pathlib.Path) -> list[str]:
    """The doc fragments that a module extends."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(node.value)).get("extends_documentation_fragment", [])
    return []


@pytest.mark.parametrize(("group", "fragment"), [("stack", "stack"), ("dokploy", "dokploy")])
def test_a_group_holds_the_modules_that_share_its_options(group, fragment):
    modules = (PROJECT / "plugins/modules").glob("*.py")
    sharing = [m.stem for m in modules if f"sluice.deploy.{fragment}" in fragments(m)]
    assert sorted(sharing) == GROUPS[group]
