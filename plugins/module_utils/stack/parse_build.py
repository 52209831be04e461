# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an image is built from."""

from __future__ import annotations

import re

from ..errors import UserError
from .fields import Fields
from .parse_env import VARIABLE, parse_variables
from .parts import Build


def parse_build(fields: Fields) -> Build | None:
    """Where a service's image is built from."""
    if "build" not in fields:
        return None
    keys = (
        "context",
        "git",
        "ref",
        "key",
        "known_hosts",
        "dockerfile",
        "target",
        "args",
        "secrets",
        "write_dockerignore",
        "builder",
    )
    build = Fields(fields.raw("build"), fields.path("build"), keys)
    context, git = build.text("context"), build.text("git")
    if not context and not git:
        raise UserError(f"{build.where} needs context (a directory) or git (a repository's URL).")
    if not git and not context.startswith("/"):
        raise UserError(f"{build.path('context')}: {context!r} must be an absolute path on the machine that builds.")
    refuse_address(build.path("git"), git, build.text("ref"))
    if git and (context.startswith("/") or ".." in context.split("/")):
        raise UserError(f"{build.path('context')}: beside git it is a directory inside the repository.")
    for key in ("key", "known_hosts"):
        if key in build and (not git or re.match(r"(?i)\s*(https?|git|file)://", git)):
            raise UserError(f"{build.path(key)} is for git over SSH, such as git: git@github.com:company/app.git.")
    return Build(
        context=context,
        git=git,
        ref=build.text("ref"),
        key=build.text("key", "", VARIABLE, "the name of a key of stack_secrets"),
        known_hosts=build.text("known_hosts"),
        dockerfile=build.text("dockerfile", "Dockerfile"),
        target=build.text("target"),
        args=parse_variables(build, "args"),
        secrets={str(k): str(v) for k, v in build.mapping("secrets").items()},
        write_dockerignore=build.flag("write_dockerignore"),
        builder=build.text("builder", "", r"[A-Za-z0-9][\w.-]*", "the name of a builder that docker buildx ls lists"),
    )


def refuse_address(where: str, git: str, ref: str) -> None:
    """
    Raises:
        UserError: A repository's address or ref would show a secret, or be taken for an option.
    """
    if _holds_credentials(git):
        raise UserError(
            f"{where} holds a password or a token, which logs would show; use an SSH address, and the setting key"
            " beside it for a key of the vault."
        )
    if git.startswith("-") or ref.startswith("-"):
        raise UserError(f"{where}: neither the URL nor the ref may start with a dash.")


def _holds_credentials(address: str) -> bool:
    """Whether an address carries a login: any before the host of a web address, a password before any other."""
    match = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)@", address)
    if not match:
        return bool(re.search(r"[?&](?:[a-z_]*token|password|key)=", address, re.IGNORECASE))
    return match[1].lower() in ("http", "https") or ":" in match[2]
