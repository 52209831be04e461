"""The README's commands for backup, restore and rollback, run as they stand there."""

from __future__ import annotations

import re
import shlex

import pytest
from conftest import PROJECT, run

SECTION = (PROJECT / "README.md").read_text().partition("\n### Rollback and backup\n")[2].partition("\n##")[0]
COMMANDS = [
    line.partition("#")[0].strip() for line in re.search(r"```console\n(.*?)```", SECTION, re.DOTALL)[1].splitlines()
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readmes_command_works(command, deployed):
    ran = run(*shlex.split(command))
    assert ran.status == 0, ran.output[-4000:]
    assert "changed=1" in ran.output


def test_all_is_well_afterwards(verify):
    ran, _ = verify()
    assert ran.status == 0, ran.output[-4000:]
