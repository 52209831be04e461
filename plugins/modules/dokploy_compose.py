#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_compose
short_description: Configure a Compose service on a Dokploy server
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a Compose service exists in an environment and is configured so, variables included.
  - The Compose file comes from a Git repository, from text, or is rendered from a stack description.
  - A file that Dokploy cannot run is refused, with each line that stands in the way. That is anything on
    ports 80 and 443, and relative bind mounts, which Dokploy deletes at each
    deployment.
  - Changes nothing that runs; M(sluice.deploy.dokploy_deployment) does.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.place
  - sluice.deploy.dokploy.removal
options:
  name:
    description: Name of the service.
    type: str
    required: true
  compose_id:
    description:
      - Id of the service where it is known, which saves a request and stands for O(project) and O(environment).
      - Its name must be O(name).
    type: str
  app_name:
    description:
      - Beginning of a new service's Compose project name, to which Dokploy adds random letters.
      - By default the name of O(stack), or O(name), in lower-case letters, digits and hyphens.
    type: str
  server_id:
    description:
      - Id of another server that Dokploy manages, on which a new service runs. A service stays where it was made.
    type: str
  description:
    description: What the service is. Left as it is when not set.
    type: str
  git_url:
    description:
      - Repository that holds the Compose file, by https:// or ssh, without credentials.
      - One of O(git_url), O(compose_file) and O(stack) is needed with O(state=present).
    type: str
  git_branch:
    description: Branch that is deployed.
    type: str
    default: main
  git_path:
    description: The Compose file in the repository.
    type: str
    default: ./docker-compose.yml
  git_ssh_key_id:
    description: Id of an SSH key that Dokploy holds, for an ssh address.
    type: str
  git_submodules:
    description: Whether submodules are cloned too.
    type: bool
    default: false
  compose_file:
    description: Text of a Compose file.
    type: str
  stack:
    description:
      - A stack description, the C(stack_*) variables without their prefix, to render the Compose file from.
      - Its secrets become references to variables of the environment. Its routes are no part of the file,
        M(sluice.deploy.dokploy_domain) takes them.
    type: dict
  check_file:
    description: Whether to refuse a Compose file that Dokploy cannot run.
    type: bool
    default: true
  env:
    description: Variables of the service's environment.
    type: dict
    default: {}
  secrets:
    description:
      - Variables of the service's environment whose values are secret. They win over O(env).
      - With O(stack), those that the stack takes, each of which must be there; the others are not sent.
    type: dict
    default: {}
  purge_env:
    description: Remove variables from the service's environment that are in neither O(env) nor O(secrets).
    type: bool
    default: false
  auto_deploy:
    description: Whether Dokploy deploys by itself when its webhook is called.
    type: bool
    default: false
  isolated:
    description:
      - Whether the containers are on a network of their own, to which Dokploy connects its Traefik.
      - Otherwise each service with a domain joins C(dokploy-network), which all stacks of the server share. A service
        answers there to its plain name, so that C(server) of one stack may reach C(server) of another.
      - Set it to V(false) for a service that has to reach databases or applications of Dokploy's own on that network.
    type: bool
    default: true
  command:
    description: Replaces the arguments of C(docker) in a deployment. Left as it is when not set.
    type: str
"""

EXAMPLES = r"""
- name: The service is configured
  sluice.deploy.dokploy_compose:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    project: crm
    name: twenty
    git_url: https://git.example.com/crm.git
    git_branch: release
    env:
      SERVER_URL: https://crm.example.com
    secrets: "{{ vault_stack_secrets }}"
    purge_env: true
  delegate_to: localhost
  register: service
"""

RETURN = r"""
compose_id:
  description: Id of the service; null where there is none.
  returned: success
  type: str
app_name:
  description: Name of the Compose project, with the letters that Dokploy added.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 2, writes: 0}}
"""

from typing import TYPE_CHECKING, Any

from ..module_utils.dokploy.arguments import PLACE, REMOVAL, AnsibleModule, Client, run_module, secret_texts, texts
from ..module_utils.dokploy.composefile import check_compose_file, check_isolated
from ..module_utils.dokploy.render import render_stack
from ..module_utils.dokploy.services import (
    Service,
    app_name_from,
    check_app_name,
    ensure_service,
    locate,
    remove_service,
)
from ..module_utils.dokploy.source import GitSource, RawSource
from ..module_utils.errors import UserError
from ..module_utils.secretvalues.values import check_secrets
from ..module_utils.stack.parse import parse_stack

if TYPE_CHECKING:
    from ..module_utils.stack import Stack


def source_of(params: dict[str, Any], stack: Stack | None, variables: dict[str, str]) -> GitSource | RawSource:
    """Where the Compose file comes from.

    Raises:
        UserError: The file cannot run under Dokploy, or none is given.
    """
    if params["git_url"]:
        return GitSource(
            url=params["git_url"],
            branch=params["git_branch"],
            compose_path=params["git_path"],
            ssh_key_id=params["git_ssh_key_id"],
            submodules=params["git_submodules"],
        )
    text = render_stack(stack) if stack else params["compose_file"]
    if not text:
        raise UserError("one of git_url, compose_file and stack is needed to configure the service")
    if params["check_file"]:
        compose = check_compose_file(text, variables)
        if params["isolated"]:
            check_isolated(compose)
    return RawSource(text)


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, check, name = module.params, module.check_mode, module.params["name"]
    if not params["compose_id"] and not params["project"]:
        raise UserError("set project, or compose_id where it is known")
    given = secret_texts(params["secrets"])
    client.redact.add(given.values())
    if params["state"] == "absent":
        place = locate(client, params["compose_id"], params["project"], params["environment"], name)
        outcome = remove_service(client, place, name, delete_volumes=params["delete_volumes"], check=check)
        return outcome.result()
    stack = parse_stack(params["stack"]) if params["stack"] is not None else None
    secrets = check_secrets(stack.secret_names, given) if stack else given
    variables = {**texts("env", params["env"]), **secrets}
    service = Service(
        source=source_of(params, stack, variables),
        variables=variables,
        purge=params["purge_env"],
        description=params["description"],
        auto_deploy=params["auto_deploy"],
        isolated=params["isolated"],
        command=params["command"],
        server_id=params["server_id"],
    )
    own = params["app_name"]
    app_name = check_app_name(own) if own else app_name_from(stack.name if stack else name)
    place = locate(client, params["compose_id"], params["project"], params["environment"], name)
    return ensure_service(client, place, name, service, app_name=app_name, check=check).result()


def main() -> None:
    run_module(
        {
            **PLACE,
            "name": {"type": "str", "required": True},
            "compose_id": {"type": "str"},
            "app_name": {"type": "str"},
            "server_id": {"type": "str"},
            "description": {"type": "str"},
            "git_url": {"type": "str"},
            "git_branch": {"type": "str", "default": "main"},
            "git_path": {"type": "str", "default": "./docker-compose.yml"},
            "git_ssh_key_id": {"type": "str", "no_log": False},
            "git_submodules": {"type": "bool", "default": False},
            "compose_file": {"type": "str"},
            "stack": {"type": "dict"},
            "check_file": {"type": "bool", "default": True},
            "env": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "purge_env": {"type": "bool", "default": False},
            "auto_deploy": {"type": "bool", "default": False},
            "isolated": {"type": "bool", "default": True},
            "command": {"type": "str"},
            **REMOVAL,
        },
        act,
        mutually_exclusive=[("git_url", "compose_file", "stack")],
    )


if __name__ == "__main__":
    main()
