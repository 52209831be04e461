# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user may set about backups: where they go, what is left out, who is asked before and told afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..stack import Stack
from ..stack.fields import Fields
from .restic import Repository

OPTIONS: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {
        "local": {"type": "bool", "default": True},
        "keep_local": {"type": "int", "default": 7},
        "keep_local_days": {"type": "float", "default": 30.0},
        "repository": {"type": "str", "default": ""},
        "password": {"type": "str", "default": "", "no_log": True},
        "environment": {"type": "dict", "default": {}, "no_log": True},
        "keep": {"type": "dict", "default": {}, "no_log": False},
        "images": {"type": "bool", "default": False},
        "append_only": {"type": "bool", "default": False},
        "upload_limit": {"type": "int", "default": 0},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "hooks": {"type": "dict", "default": {}},
        "proof": {"type": "list", "elements": "str", "default": []},
        "on_failure": {"type": "list", "elements": "str", "default": []},
    },
}
_POLICY = ("last", "hourly", "daily", "weekly", "monthly", "yearly", "within")


@dataclass(frozen=True)
class Hook:
    """A command in a running container of a service."""

    service: str
    command: tuple[str, ...]
    timeout: float


@dataclass(frozen=True)
class Keeping:
    """Backups of one stack."""

    local: bool = True
    repository: Repository | None = None
    images: bool = False
    """Whether the repository keeps the images of the release that serves."""
    exclude: tuple[str, ...] = ()
    before: Hook | None = None
    after: Hook | None = None
    proof: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()


def keeping(told: Mapping[str, Any], stack: Stack) -> Keeping:
    """Checked settings.

    Raises:
        UserError: One is wrong, named as the role calls it.
    """
    url, password = str(told.get("repository") or ""), str(told.get("password") or "")
    local = bool(told.get("local", True))
    if url and not password:
        raise UserError(
            "compose_stack_backup_password is blank, and a repository is encrypted with it: give the vault one, as"
            " make secrets does."
        )
    if not url and not local:
        raise UserError("compose_stack_backup_local is false and compose_stack_backup_repository is blank: name one.")
    images = bool(told.get("images"))
    if images and not url:
        raise UserError("compose_stack_backup_images is true and compose_stack_backup_repository is blank: name one.")
    policy = Fields(told.get("keep") or {}, "compose_stack_backup_keep", _POLICY)
    kept = {word: policy.raw(word) for word in _POLICY if word in policy}
    environment = {str(k): str(v) for k, v in (told.get("environment") or {}).items()}
    limit, append_only = int(told.get("upload_limit") or 0), bool(told.get("append_only"))
    hooks = Fields(told.get("hooks") or {}, "compose_stack_backup_hooks", ("before", "after"))
    return Keeping(
        local=local,
        repository=Repository(url, password, environment, limit, append_only, kept) if url else None,
        images=images,
        exclude=tuple(told.get("exclude") or ()),
        before=_hook(hooks, "before", stack),
        after=_hook(hooks, "after", stack),
        proof=tuple(told.get("proof") or ()),
        on_failure=tuple(told.get("on_failure") or ()),
    )


def _hook(hooks: Fields, name: str, stack: Stack) -> Hook | None:
    if name not in hooks:
        return None
    hook = Fields(hooks.raw(name), hooks.path(name), ("service", "command", "timeout"))
    hook.need("command", "what is to be run")
    service = str(hook.need("service", "in whose container it runs"))
    if service not in stack.services:
        raise UserError(f"{hook.path('service')}: there is no service {service!r} in stack_services.")
    return Hook(service, hook.script("command"), hook.duration("timeout", 600))
