#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: vault_secrets
short_description: Create or extend a vault file with strong generated secrets
version_added: 0.1.0
description:
  - Adds the secrets that are missing, and never replaces one unless asked to rotate it by name.
  - The file is encrypted with the vault password that the play was given, keeps its vault id, comments and order, and
    can be opened with C(ansible-vault edit).
  - Values are in no output, diff or temporary file.
author:
  - The sluice.deploy maintainers (@sluice)
attributes:
  check_mode:
    description: Names what would be added or rotated.
    support: full
  diff_mode:
    description: Secrets have no diff.
    support: none
  idempotent:
    description: A second run adds nothing. A rotation is done each time that it is asked for.
    support: partial
options:
  path:
    description: The vault file on the controller.
    type: path
    required: true
  names:
    description: Secrets that must be there, each a variable, or a variable, a dot and a key; 64 hex characters long.
    type: list
    elements: str
    default: []
  forms:
    description:
      - Secrets of another form, by name.
      - C(form) is V(hex), V(urlsafe) or V(alphanumeric), C(length) counts characters.
      - C(dsn) holds the parts of a connection URL as P(sluice.deploy.dsn#filter) takes them, with C(password_from), the
        name of the secret that is its password.
      - C(after_rotation) says what a new value means, or what it needs beside the file.
      - C(fixed) says why a secret is never replaced.
    type: dict
    default: {}
  rotate:
    description:
      - Secrets to replace; what follows the dot is enough where it is the only one of that name.
      - A URL that is composed from one follows it.
    type: list
    elements: str
    default: []
  elsewhere:
    description: Names that other files of the inventory hold; O(rotate) may name them, which leaves this file alone.
    type: list
    elements: str
    default: []
  values:
    description:
      - Values that secrets have had so far, by name, such as those that stand in clear in a project's files.
      - One that the vault file lacks gets its own instead of a new one, and a note says that it has been readable.
    type: dict
    default: {}
  vault_id:
    description: The vault id for a new file; by default that of the first password.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Every secret of the stack has a value
  sluice.deploy.vault_secrets:
    path: inventories/prod/group_vars/all/vault.yml
    names: [vault_stack_secrets.APP_SECRET, vault_stack_secrets.PG_PASSWORD]
    forms:
      vault_stack_secrets.PG_DATABASE_URL:
        dsn:
          scheme: postgres
          user: twenty
          password_from: vault_stack_secrets.PG_PASSWORD
          host: postgres
          port: 5432
          database: twenty
"""

RETURN = r"""
added:
  description: Names of secrets that were added.
  returned: success
  type: list
  elements: str
rotated:
  description: Names of secrets that were replaced.
  returned: success
  type: list
  elements: str
notes:
  description: What is left to do.
  returned: success
  type: list
  elements: str
"""
