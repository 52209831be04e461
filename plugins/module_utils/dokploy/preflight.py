# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would break a deployment, or leave it without its domains, found before it starts."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from ..errors import DokployError, UserError
from .client import Client
from .composefile import ComposeFile, check_compose_file, check_isolated, read_compose_file, routed_hosts
from .deployment import same_commit
from .environment import parse_environment
from .head import branch_head

Stored = Mapping[str, Any]

# Compose looks for the .env at the repository's top there (U(https://github.com/Dokploy/dokploy/issues/5234)).
BLIND_VERSION = "v0.30.3"


def preflight(client: Client, stored: Stored, *, revision: str, check_file: bool) -> None:
    """Refuse what cannot go well; nothing that runs is touched.

    Args:
        client: Has the server clone a repository, so that the file to be deployed is seen before it is.
        stored: The service, from `compose.one`.
        revision: Commit that is to be deployed; may be empty.
        check_file: Whether a Compose file that Dokploy cannot run is refused.

    Raises:
        UserError: It says what stands in the way.
    """
    variables = parse_environment(stored.get("env"))
    if stored.get("sourceType") != "raw":
        if check_file and variables:
            _check_place(client, stored)
        _check_head(stored, revision)
        _load_services(client, stored)
    text = str(client.get("compose.getConvertedCompose", composeId=stored["composeId"]) or "")
    compose = (check_compose_file if check_file else read_compose_file)(text, variables)
    if stored.get("isolatedDeployment"):
        check_isolated(compose)
    _check_domains(stored, compose, routed_hosts(text))


def _check_place(client: Client, stored: Stored) -> None:
    """One version of Dokploy reads the variables only of a Compose file at the repository's top."""
    path = posixpath.normpath(str(stored.get("composePath")))
    if "/" not in path.strip("/"):
        return
    version = client.version()
    if version == BLIND_VERSION:
        raise UserError(
            f"Dokploy {version} ignores the variables of a service whose Compose file is in a subdirectory, such as "
            f"{path}: each reference would be empty; update Dokploy, or move the file to the top"
        )


def _check_head(stored: Stored, wanted: str) -> None:
    """Dokploy deploys the branch's head: a revision that is another commit is refused while nothing has changed."""
    branch = str(stored.get("customGitBranch") or "main")
    head = branch_head(str(stored.get("customGitUrl")), branch) if wanted else ""
    if head and not same_commit(head, wanted):
        raise UserError(
            f"revision {wanted[:12]} is not the head of branch {branch}, which is {head[:12]} and is what Dokploy "
            "would deploy; push the revision, or set git_branch to a branch that ends with it"
        )


def _load_services(client: Client, stored: Stored) -> None:
    try:
        client.get("compose.loadServices", composeId=stored["composeId"], type="fetch")
    except DokployError as error:
        if error.temporary or error.status not in (400, 404, 500):
            raise
        raise UserError(
            f"Dokploy cannot take {stored.get('composePath')} from branch {stored.get('customGitBranch')} of "
            f"{stored.get('customGitUrl')}: {error.said}; look at git_url, git_branch, git_path and git_ssh_key_id"
        )


def _check_domains(stored: Stored, compose: ComposeFile, hosts: Mapping[str, set[str]]) -> None:
    for domain in stored.get("domains") or []:
        host, service = str(domain.get("host")), str(domain.get("serviceName"))
        if not domain.get("enabled", True):
            continue
        if service not in compose.services:
            why = f"the Compose file has only {', '.join(compose.services)}"
        elif service in compose.modes:
            why = f"Traefik cannot route to it with network_mode: {compose.modes[service]}; remove that"
        elif host not in hosts.get(service, set()):
            why = "the file that Dokploy makes of it has no label for it; look at the service's labels"
        else:
            continue
        raise UserError(f"domain {host} would not reach service {service}: {why}")
