# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passwords for HTTP basic authentication."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.settings import user_mistakes

try:
    from passlib.hash import sha512_crypt
except ImportError:
    sha512_crypt = None

DOCUMENTATION = r"""
name: htpasswd
short_description: Users and passwords as lines of an htpasswd file
version_added: 0.1.0
description:
  - Hashes every password with SHA-512 crypt, which nginx understands on every system.
  - The salt follows from realm and user, so that the same passwords give the same lines, and a play changes nothing.
author:
  - The sluice.deploy maintainers (@sluice)
requirements:
  - passlib on the controller.
positional: realm
options:
  _input:
    description: User name to password.
    type: dict
    required: true
  realm:
    description: What the users are for, such as the stack's name; no two realms share a salt.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the users of a closed preview
  ansible.builtin.copy:
    content: "{{ vault_preview_users | sluice.deploy.htpasswd('crm') | join('\n') }}\n"
    dest: /etc/nginx/htpasswd
    mode: "0600"
"""

RETURN = r"""
_value:
  description: One line a user.
  type: list
  elements: str
"""

# nginx computes the hash for a visitor's first request: a few milliseconds are enough to pay.
_ROUNDS = 5000


def htpasswd(users: Any, realm: str) -> list[str]:
    """Lines C(user:hash) of an htpasswd file."""
    wrong = user_mistakes(users, "basic auth users")
    if wrong:
        raise AnsibleFilterError("\n".join(wrong))
    if users and sha512_crypt is None:
        raise AnsibleFilterError("basic auth needs passlib on the controller: pip install passlib.")
    return [_line(str(user), str(password), realm) for user, password in sorted(users.items())]


def _line(user: str, password: str, realm: str) -> str:
    salt = hashlib.sha256(f"{realm}:{user}".encode()).hexdigest()[:16]
    return f"{user}:{sha512_crypt.using(rounds=_ROUNDS, salt=salt).hash(password)}"


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"htpasswd": htpasswd}
