#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: file_set
short_description: Write a set of small files as one
version_added: 0.1.0
description:
  - Writes files that belong together in one call, each by rename, so that a reader sees the old or the new one.
  - All are staged and validated before the first is replaced, so that a refused file changes none of them.
author:
  - The sluice.deploy maintainers (@sluice)
attributes:
  check_mode:
    description: Shows what would be written; validation needs the staged file and is left out.
    support: full
  diff_mode:
    description: Shows each file before and after.
    support: full
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where the file goes; missing directories are made with mode 0755.
        type: path
        required: true
      content:
        description: Its text.
        type: str
        default: ""
      mode:
        description: Its permissions, in octal.
        type: str
        default: "0644"
      state:
        description: Whether the file is there.
        type: str
        choices: [present, absent]
        default: present
      validate:
        description: A command that must succeed, with C(%s) for the staged file.
        type: str
"""

EXAMPLES = r"""
- name: The timer and its service are installed
  sluice.deploy.file_set:
    files:
      - path: /etc/systemd/system/tidy.service
        content: "{{ lookup('template', 'tidy.service.j2') }}"
      - path: /etc/systemd/system/tidy.timer
        content: "{{ lookup('template', 'tidy.timer.j2') }}"
"""

RETURN = r"""
changed_paths:
  description: Files that were written or removed.
  returned: success
  type: list
  elements: str
"""

import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import commands
from ..module_utils.errors import UserError, one_message
from ..module_utils.files import put_in_place, write_draft


@dataclass
class Change:
    """A file that differs from what is wanted."""

    path: Path
    before: str
    content: str
    mode: int
    present: bool
    validate: str
    staged: Path | None = None

    def diff(self) -> dict:
        return {
            "before_header": str(self.path),
            "after_header": str(self.path),
            "before": self.before,
            "after": self.content if self.present else "",
        }


def find_changes(files: list[dict]) -> list[Change]:
    changes = []
    # One draft a file: of a path that is given twice, the last entry counts.
    for path, entry in {Path(entry["path"]): entry for entry in files}.items():
        present = entry["state"] == "present"
        exists = path.is_file()
        before = path.read_text(encoding="utf-8", errors="replace") if exists else ""
        try:
            mode = int(entry["mode"], 8)
        except ValueError:
            raise UserError(f"files: {path} has the mode {entry['mode']!r}; write it in octal, such as 0644") from None
        same = exists and before == entry["content"] and stat.S_IMODE(path.stat().st_mode) == mode
        if same if present else not exists:
            continue
        changes.append(Change(path, before, entry["content"], mode, present, entry["validate"] or ""))
    return changes


def stage(change: Change) -> None:
    """Write the content beside its place, and let it be validated there."""
    change.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    change.staged = write_draft(change.path, change.content, change.mode)
    name = str(change.staged)
    if change.validate:
        command = [word.replace("%s", name) for word in shlex.split(change.validate)]
        done = commands.run(command)
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().replace(name, str(change.path))
            raise UserError(f"{change.path} is refused by {command[0]}, nothing was changed: {reason}")


def apply(changes: list[Change]) -> None:
    try:
        for change in changes:
            if change.present:
                stage(change)
        for change in changes:
            if change.staged:
                put_in_place(change.staged, change.path)
            else:
                change.path.unlink()
    finally:
        for change in changes:
            if change.staged:
                change.staged.unlink(missing_ok=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "default": ""},
                    "mode": {"type": "str", "default": "0644"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "validate": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    with one_message(module):
        changes = find_changes(module.params["files"])
        if not module.check_mode:
            apply(changes)
    module.exit_json(
        changed=bool(changes),
        changed_paths=[str(change.path) for change in changes],
        diff=[change.diff() for change in changes],
    )


if __name__ == "__main__":
    main()
