#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: verify_look
short_description: Look at a deployment from outside and on its host at the same time
version_added: 0.2.0
description:
  - Does in one task what M(sluice.deploy.site_probe) does on the controller, and M(sluice.deploy.host_probe),
    M(sluice.deploy.image_size_gate) and M(sluice.deploy.log_secret_scan) do on the host meanwhile.
  - Does not fail by what it finds; M(sluice.deploy.verify_report) fails by all results.
author:
  - The sluice.deploy maintainers (@sluice)
attributes:
  check_mode:
    description: It only reads, apart from logging in and from the O(logs)' state file, which is left alone then.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: It changes nothing.
    support: full
options:
  site:
    description: Options of M(sluice.deploy.site_probe); nothing is looked at from outside without them.
    type: dict
  host:
    description: Options of M(sluice.deploy.host_probe); the host is left alone without them.
    type: dict
  images:
    description:
      - Options of M(sluice.deploy.image_size_gate) for the images that were found on the host; they are not judged
        without.
    type: dict
  logs:
    description:
      - Options of M(sluice.deploy.log_secret_scan) for the containers, build logs and images that were found on the
        host; they are not searched without.
    type: dict
"""

EXAMPLES = r"""
- name: The deployment is looked at
  sluice.deploy.verify_look:
    site: {domain: crm.example.com, front: {path: /}}
    host: {stack: crm, max_image_size: 500MB}
    images: {analysis: on_fail}
    logs: {enforce: false}
  register: look

- name: It passes
  sluice.deploy.verify_report:
    title: crm.example.com
    started: "{{ look.began }}"
    sources:
      - {id: site, title: The site from outside, registered: "{{ look.site }}"}
      - {id: host, title: The deployment on its host, registered: "{{ look.host }}"}
"""

RETURN = r"""
site:
  description: What M(sluice.deploy.site_probe) returns.
  returned: always
  type: dict
host:
  description: What M(sluice.deploy.host_probe) returns, or that it was skipped.
  returned: always
  type: dict
images:
  description: What M(sluice.deploy.image_size_gate) returns, or that it was skipped.
  returned: always
  type: dict
logs:
  description: What M(sluice.deploy.log_secret_scan) returns, or that it was skipped.
  returned: always
  type: dict
began:
  description: When the look began, in seconds since the epoch.
  returned: always
  type: float
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.hostprobe import answer as hostprobe
from ..module_utils.hostprobe.look import ARGUMENT_SPEC as HOST
from ..module_utils.imagegate import answer as imagegate
from ..module_utils.secretscan import answer as secretscan

# The first is for the action of the same name alone, which keeps it on the controller.
PARTS = ("site", "host", "images", "logs")


def part(spec: Mapping[str, Any], options: Mapping[str, Any], tell: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """What one part tells of options in its own form; what goes wrong in it leaves the others."""
    checked = ArgumentSpecValidator(dict(spec)).validate(dict(options))
    if checked.error_messages:
        return {"failed": True, "msg": "; ".join(checked.error_messages)}
    try:
        return dict(tell(checked.validated_parameters))
    except Exception as error:  # its text may hold what was sent, or a piece of a log
        return {"failed": True, "msg": f"unexpected {type(error).__name__}; this is a defect, please report it"}


def look(params: Mapping[str, Any], write: bool) -> dict[str, Any]:
    """The answers of the parts that were asked for: the host first, and what was found there by both others at once."""
    if params["host"] is None:
        return {}
    host = part(HOST, params["host"], hostprobe.answer)
    images, containers = host.get("images") or [], host.get("containers") or []
    found: dict[str, Any] = {"host": host}
    with ThreadPoolExecutor(1) as pool:
        judged = None
        if params["images"] is not None and images:
            asked = {**params["images"], "images": images}
            judged = pool.submit(part, imagegate.ARGUMENT_SPEC, asked, imagegate.answer)
        if params["logs"] is not None and containers:
            own = {"containers": containers, "paths": host.get("build_logs") or []}
            own["images"] = list(dict.fromkeys(image["image"] for image in images))
            asked = {**params["logs"], **own}
            found["logs"] = part(secretscan.ARGUMENT_SPEC, asked, lambda given: secretscan.answer(given, write))
        if judged:
            found["images"] = judged.result()
    return found


def main() -> None:
    spec: dict[str, dict[str, Any]] = {name: {"type": "dict", "no_log": True} for name in PARTS}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    params = dict(module.params)
    logs, images = params["logs"] or {}, params["images"] or {}
    # Not all that is asked is a secret, though Ansible's own log must not have it.
    module.no_log_values = secretscan.hidden(logs) | {images.get("registry_password") or ""} - {""}
    module.params.clear()
    module.exit_json(changed=False, **look(params, write=not module.check_mode))


if __name__ == "__main__":
    main()
