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
