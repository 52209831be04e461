#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carry images from the controller to a server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_images
short_description: Build images on the controller, and carry them to a server without a registry
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Builds what is to be built on the controller.
  - Sends images over the connection that Ansible has, without the layers that the server's engine holds already.
  - An image that is there under its name is not sent again.
  - An engine that does not take a part of an image, such as one with containerd's image store, is sent the whole.
attributes:
  check_mode:
    support: full
    description: Asks both engines, sends nothing.
  diff_mode:
    support: none
    description: There is nothing to show.
  idempotent:
    support: full
    description: What is there is not sent again.
options:
  images:
    description: References of images that the controller's engine has, such as V(shop:1.4.2).
    type: list
    elements: str
    default: []
  stack:
    description:
      - A stack description. The images of services with O(ignore:build) and V(pull=controller) are built on the
        controller, by its engine or by the builder that they name, and carried as well.
      - A Dockerfile or a build's log that does not pass its gate fails before anything is sent. The log is kept under
        C(~/.cache/sluice/stacks) of whoever runs the play.
    type: dict
  secrets:
    description: The values of the secrets that the stack names; builds get those that they ask for.
    type: dict
    default: {}
  gates:
    description: The levels of the gates C(dockerfile) and C(log_secrets), V(fail), V(warn) or V(off).
    type: dict
    default: {}
  hadolint:
    description: Command of hadolint on the controller, where it is installed.
    type: str
    default: hadolint
  docker_host:
    description: The socket of the server's engine.
    type: str
    default: unix:///var/run/docker.sock
  wanted:
    description: For the action of the same name alone, what it knows of each image.
    type: list
    elements: dict
    default: []
  archive:
    description: For the action of the same name alone, what it has sent.
    type: path
    default: ""
notes:
  - Needs the docker command on the controller and on the server, and room for the images in the controller's directory
    for temporary files.
  - Serves the role compose_stack for services with V(pull=controller).
"""

EXAMPLES = r"""
- name: The app's image is on the server
  sluice.deploy.stack_images:
    images: [shop:1.4.2]
"""

RETURN = r"""
carried:
  description: The references that the server lacked.
  returned: success
  type: list
  elements: str
  sample: ["shop:1.4.2"]
sent:
  description: Bytes that were sent, compressed; nothing in check mode.
  returned: success
  type: int
  sample: 1003219
gates:
  description: What the gates said of the builds, those that only warn included.
  returned: where an image was built
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.commands import run
from ..module_utils.docker.layers import Holdings
from ..module_utils.errors import UserError


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            "images": {"type": "list", "elements": "str", "default": []},
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            # For the action alone, which keeps them.
            "stack": {"type": "dict"},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "gates": {"type": "dict", "default": {}},
            "hadolint": {"type": "str", "default": "hadolint"},
            "wanted": {"type": "list", "elements": "dict", "default": []},
            "archive": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        if module.params["archive"]:
            _load(module.params["archive"], module.params["images"], module.params["docker_host"])
            module.exit_json(changed=True)
        lacking = _lacking(module.params["wanted"], module.params["docker_host"], module.check_mode)
        module.exit_json(changed=False, lacking=lacking)
    except UserError as error:
        module.fail_json(msg=str(error))


def _lacking(wanted: list[dict], docker_host: str, rehearsed: bool) -> dict[str, int]:
    """By reference of each image that is not here, how many of its layers are."""
    try:
        held = Holdings(docker_host)
    except UserError:
        # A rehearsal on a bare server, which has no engine yet.
        if rehearsed:
            return {w["reference"]: 0 for w in wanted}
        raise
    foreign = [w["reference"] for w in wanted if w["Architecture"] != held.architecture]
    if foreign:
        raise UserError(
            f"{', '.join(foreign)}: not built for this server, whose processors are {held.architecture};"
            f" build it with --platform linux/{held.architecture}"
        )
    return {w["reference"]: held.known(w["RootFS"]["Layers"]) for w in wanted if not held.holds(w)}


def _load(archive: str, images: list[str], docker_host: str) -> None:
    docker = ["docker", "--host", docker_host]
    done = run([*docker, "load", "--quiet", "--input", archive], 3600)
    if not done.returncode:
        return
    if not Holdings(docker_host).takes_parts:
        # containerd's store names an image before it has unpacked it: it would be taken for one that is there.
        run([*docker, "image", "rm", "--force", *images])
    raise UserError(f"the server's engine does not take the image: {done.stderr.strip()[-500:]}")


if __name__ == "__main__":
    main()
