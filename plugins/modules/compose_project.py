#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a project's own Compose files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_project
short_description: Read a project's own Compose files into a stack description
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Brings a project onto the machine, has Docker Compose resolve its files there, and makes of them what
    C(stack_services) and C(stack_routes) would say.
  - Nothing is started, pulled or built. Everything that the files lack is said in one answer.
  - What goes wrong is said in RV(trouble) and RV(wants) rather than by failing, since the task wants C(no_log).
  - Values of secrets take no part in it. Compose is given a token in the place of each.
  - It needs Docker Compose 2.24 or later where it runs.
attributes:
  check_mode:
    support: full
    description: Reads a copy that is gone afterwards.
extends_documentation_fragment:
  - sluice.deploy.stack.root
options:
  name:
    description: The stack's name.
    type: str
    required: true
  domain:
    description: The stack's domain, which takes the place of the files' own.
    type: str
    default: ""
  project:
    description:
      - Where the project is, as C(stack_compose) says it.
      - Either V(git) with V(ref), V(key) and V(known_hosts), or V(directory), which is one of the controller.
      - V(path) is the directory of the Compose files within it, V(files) names them where Compose would not find them,
        V(profiles) names profiles, and V(project) is Compose's project name, which its volumes are called after.
    type: dict
    required: true
  env:
    description: What variables of the files are filled in with.
    type: dict
    default: {}
  secret_names:
    description: The names of the secrets that there are; their values are not needed.
    type: list
    elements: str
    default: []
  routes:
    description: The stack's routes; empty where labels of a proxy in the files say them.
    type: list
    elements: dict
    default: []
  corrections:
    description: By Compose's name of a service, what is to be read otherwise, as C(stack_compose_services) says it.
    type: dict
    default: {}
  key:
    description: The SSH key by which the repository is reached, where V(project.key) names one.
    type: str
    default: ""
  look:
    description: Read a copy that is gone afterwards, as check mode does.
    type: bool
    default: false
  timeout:
    description: Seconds that Compose may take for one answer.
    type: float
    default: 120
  archive:
    description: For the action of the same name alone, which sends the directory.
    type: path
    default: ""
  digest:
    description: For the action of the same name alone.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: The project's Compose files are read
  sluice.deploy.compose_project:
    name: shop
    domain: shop.example.com
    project: {git: https://git.example.com/you/shop.git, ref: v1.4.2}
    secret_names: "{{ stack_secrets.keys() | list }}"
    routes: [{path: /, service: app}]
  register: project
  no_log: true

- name: It lacks nothing
  ansible.builtin.assert:
    that: project.trouble == "" and project.wants == []
    fail_msg: "{{ [project.trouble] + project.wants }}"

- name: How it was read is shown
  ansible.builtin.debug:
    msg: "{{ project.reading.table }}"
"""

RETURN = r"""
services:
  description: What C(stack_services) would say.
  returned: when it could be read
  type: dict
routes:
  description: What C(stack_routes) would say.
  returned: when it could be read
  type: list
  elements: dict
reading:
  description:
    - Everything for people and programs, without values of secrets. C(table) is text, C(findings) has
      each remark with Compose's own key and the line to add.
  returned: when it could be read
  type: dict
composed:
  description: Secrets that are texts around others, with tokens in their places.
  returned: when it could be read
  type: dict
clear:
  description: Secrets that stand in the project's own files. The task wants no_log.
  returned: when it could be read
  type: dict
trouble:
  description: Why it could not be read, such as Docker Compose that is not there; empty otherwise.
  returned: always
  type: str
bare:
  description: Whether Docker Compose is not there, or too old.
  returned: always
  type: bool
verdict:
  description: V(as_is), V(decide) where a word of the user's is missing, or V(refused).
  returned: when it could be read
  type: str
wants:
  description: What has to be decided or changed, a sentence each.
  returned: when it could be read
  type: list
  elements: str
compose_version:
  description: The version of Docker Compose that read it.
  returned: when it could be read
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import UserError
from ..module_utils.release.composeproject import read_compose_project


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "domain": {"type": "str", "default": ""},
            "project": {"type": "dict", "required": True},
            "env": {"type": "dict", "default": {}},
            "secret_names": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "routes": {"type": "list", "elements": "dict", "default": []},
            "corrections": {"type": "dict", "default": {}},
            "key": {"type": "str", "default": "", "no_log": True},
            "root": {"type": "path", "default": "/var/lib/sluice/stacks"},
            "look": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 120.0},
            "archive": {"type": "path", "default": ""},
            "digest": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        answer = read_compose_project(module.params, module.params["look"] or module.check_mode)
    except UserError as error:
        module.exit_json(changed=False, trouble=str(error), bare=False, wants=[])
    except OSError as error:
        module.exit_json(changed=False, trouble=f"{error.filename or 'disk'}: {error.strerror}", bare=False, wants=[])
    module.exit_json(changed=False, **{"trouble": "", "bare": False, **answer})


if __name__ == "__main__":
    main()
