#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_destination
short_description: Give a Dokploy server an S3 bucket for backups
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a Dokploy server knows an S3 bucket of this name, to which M(sluice.deploy.dokploy_backup) writes,
    or does not.
  - Removing one removes the backups that are written to it from the schedule, and nothing from the bucket.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.state
options:
  name:
    description: Name of the destination in Dokploy.
    type: str
    required: true
  endpoint:
    description: Address of the S3 service. Needed with O(state=present), like the others but O(provider) and O(flags).
    type: str
  bucket:
    description: Name of the bucket, which has to exist.
    type: str
  region:
    description: Region of the bucket.
    type: str
  access_key:
    description: Access key id.
    type: str
  secret_key:
    description: Secret access key.
    type: str
  provider:
    description: The kind of S3 service, as rclone calls it, such as V(AWS), V(Cloudflare) or V(Minio).
    type: str
    default: Other
  flags:
    description: Further options of rclone.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Backups go to our bucket
  sluice.deploy.dokploy_destination:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    name: backups
    endpoint: https://s3.eu-central-1.amazonaws.com
    region: eu-central-1
    bucket: example-backups
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
  delegate_to: localhost
"""

RETURN = r"""
id:
  description: Id of the destination; null where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import STATE, AnsibleModule, Client, run_module, settle_row
from ..module_utils.dokploy.belongings import DESTINATION
from ..module_utils.dokploy.rows import Wanted


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params = module.params
    client.redact.add(filter(None, [params["secret_key"]]))
    wanted = Wanted(
        {"name": params["name"]},
        {
            "provider": params["provider"],
            "endpoint": params["endpoint"],
            "bucket": params["bucket"],
            "region": params["region"],
            "accessKey": params["access_key"],
            "secretAccessKey": params["secret_key"],
            "additionalFlags": params["flags"],
        },
    )
    return settle_row(module, client, DESTINATION, lambda: client.get("destination.all") or [], wanted)


def main() -> None:
    run_module(
        {
            "name": {"type": "str", "required": True},
            "endpoint": {"type": "str"},
            "bucket": {"type": "str"},
            "region": {"type": "str"},
            "access_key": {"type": "str", "no_log": False},
            "secret_key": {"type": "str", "no_log": True},
            "provider": {"type": "str", "default": "Other"},
            "flags": {"type": "list", "elements": "str", "default": []},
            **STATE,
        },
        act,
        required_if=[("state", "present", ("endpoint", "bucket", "region", "access_key", "secret_key"))],
    )


if __name__ == "__main__":
    main()
