# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules around backups."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  keeping:
    description: Where backups go, and what is kept of them.
    type: dict
    default: {}
    suboptions:
      local:
        description: Keep backups on the server.
        type: bool
        default: true
      keep_local:
        description: Newest backups on the server that are kept whatever their age.
        type: int
        default: 7
      keep_local_days:
        description: Days for which further backups on the server are kept.
        type: float
        default: 30
      repository:
        description: Address of a restic repository, which is made when it does not exist; none when blank.
        type: str
        default: ""
      password:
        description: The repository's password. Without it, nobody can read the backups.
        type: str
        default: ""
      environment:
        description: What the repository's store asks for, such as C(AWS_ACCESS_KEY_ID).
        type: dict
        default: {}
      keep:
        description:
          - restic's policy, of the keys V(last), V(hourly), V(daily), V(weekly), V(monthly), V(yearly) and V(within).
          - Everything is kept when it is empty.
        type: dict
        default: {}
      images:
        description: Keep the images of the release that serves in the repository as well.
        type: bool
        default: false
      append_only:
        description: Remove nothing from the repository.
        type: bool
        default: false
      upload_limit:
        description: KiB a second; 0 for no limit.
        type: int
        default: 0
      exclude:
        description: Patterns of files in volumes that the repository does not get, in restic's form.
        type: list
        elements: str
        default: []
      hooks:
        description: >-
          V(before) and V(after) a backup, a command in a running container: C(service), C(command), C(timeout).
        type: dict
        default: {}
      proof:
        description: >-
          A command on the server that ends a proof, in a directory that holds one for each volume as it came back.
        type: list
        elements: str
        default: []
      on_failure:
        description: A command on the server that gets C(stack), C(operation) and C(trouble) as JSON when one fails.
        type: list
        elements: str
        default: []
"""
