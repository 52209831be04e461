# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Byte sizes in templates and conditions; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import UserError
from ..module_utils.sizes import format_size, parse_size


def size_bytes(value: Any) -> int:
    """The number of bytes that a size such as C(500MB) means."""
    try:
        return parse_size(value)
    except UserError as error:
        raise AnsibleFilterError(f"size_bytes: {error}")


def size_human(value: Any, binary: bool = False) -> str:
    """A size for a reader, such as C(312.4 MB)."""
    try:
        return format_size(parse_size(value), binary=binary)
    except UserError as error:
        raise AnsibleFilterError(f"size_human: {error}")


class FilterModule:
    """What Ansible asks for the filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"size_bytes": size_bytes, "size_human": size_human}
