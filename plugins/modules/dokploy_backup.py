#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_backup
short_description: Have a Dokploy server back up a database or a volume of a Compose service
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a database or a volume of a Compose service is backed up at times to an S3 bucket, or is not.
  - A database is told by its service, kind and name, a volume by its name.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.service
  - sluice.deploy.dokploy.state
options:
  destination:
    description: Name of the destination, as M(sluice.deploy.dokploy_destination) makes it.
    type: str
    required: true
  service:
    description: >-
      Service of the Compose file with the database; of a volume, the service that is stopped for the time with O(stop).
    type: str
  database:
    description: Name of the database. Either this or O(volume) is needed.
    type: str
  database_type:
    description: Kind of the database.
    type: str
    choices: [postgres, mariadb, mysql, mongo]
    default: postgres
  username:
    description: Who dumps the database.
    type: str
  password:
    description: That user's password; of V(mysql), root's. Not needed for V(postgres).
    type: str
  volume:
    description: Name of the volume in the Compose file. Either this or O(database) is needed.
    type: str
  stop:
    description: Whether O(service) is stopped while O(volume) is read.
    type: bool
    default: false
  schedule:
    description: When, in the form of cron.
    type: str
    default: "0 3 * * *"
  keep:
    description: How many of them are kept.
    type: int
    default: 7
  prefix:
    description: Path in the bucket.
    type: str
    default: /
"""

EXAMPLES = r"""
- name: The database is dumped each night
  sluice.deploy.dokploy_backup:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    compose_id: "{{ service.compose_id }}"
    destination: backups
    service: postgres
    database: crm
    username: crm
  delegate_to: localhost
"""

RETURN = r"""
id:
  description: Id of the backup; null where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import SERVICE, STATE, AnsibleModule, Client, run_module, settle_row
from ..module_utils.dokploy.belongings import DATABASE_BACKUP, VOLUME_BACKUP, destination_id, of_service
from ..module_utils.dokploy.rows import Wanted
from ..module_utils.dokploy.services import read_service
from ..module_utils.errors import UserError


def database(params: dict[str, Any], destination: str | None) -> Wanted:
    """A dump of a database, as Dokploy names it."""
    kind = params["database_type"]
    login = {"databaseUser": params["username"], "databasePassword": params["password"]}
    if kind == "postgres":
        del login["databasePassword"]
    elif kind == "mysql":
        login = {"databaseRootPassword": params["password"]}
    if None in login.values() and params["state"] == "present":
        raise UserError(f"a {kind} database needs {'username' if kind != 'mysql' else 'password'}, and its password")
    return Wanted(
        {"serviceName": params["service"], "databaseType": kind, "database": params["database"]},
        {
            "destinationId": destination,
            "schedule": params["schedule"],
            "keepLatestCount": params["keep"],
            "prefix": params["prefix"],
            "enabled": True,
            "metadata": {kind: login},
        },
        {"backupType": "compose", "composeId": params["compose_id"]},
    )


def volume(params: dict[str, Any], project: str, destination: str | None) -> Wanted:
    """An archive of a volume, as Dokploy names it; the volume by its name on the host."""
    return Wanted(
        {"volumeName": f"{project}_{params['volume']}"},
        {
            "name": params["volume"],
            "destinationId": destination,
            "cronExpression": params["schedule"],
            "keepLatestCount": params["keep"],
            "prefix": params["prefix"],
            "serviceName": params["service"],
            "turnOff": params["stop"],
            "enabled": True,
        },
        {"serviceType": "compose", "composeId": params["compose_id"]},
    )


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, check, compose_id = module.params, module.check_mode, module.params["compose_id"]
    client.redact.add(filter(None, [params["password"]]))
    present = params["state"] == "present"
    destination = destination_id(client, params["destination"], check=check) if present else None
    if params["database"]:
        kind, wanted = DATABASE_BACKUP, database(params, destination)
        rows = of_service(client, compose_id, check=check, field="backups")
    else:
        kind = VOLUME_BACKUP
        project = str(read_service(client, compose_id).get("appName")) if compose_id else ""
        wanted = volume(params, project, destination)

        def rows() -> list[Any]:
            return client.get("volumeBackups.list", id=compose_id, volumeBackupType="compose") if compose_id else []

    if not compose_id and not check:
        raise UserError("compose_id is empty; it is what dokploy_compose returns")
    return settle_row(module, client, kind, rows, wanted)


def main() -> None:
    run_module(
        {
            **SERVICE,
            "destination": {"type": "str", "required": True},
            "service": {"type": "str"},
            "database": {"type": "str"},
            "database_type": {
                "type": "str",
                "choices": ["postgres", "mariadb", "mysql", "mongo"],
                "default": "postgres",
            },
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "volume": {"type": "str"},
            "stop": {"type": "bool", "default": False},
            "schedule": {"type": "str", "default": "0 3 * * *"},
            "keep": {"type": "int", "default": 7},
            "prefix": {"type": "str", "default": "/"},
            **STATE,
        },
        act,
        mutually_exclusive=[("database", "volume")],
        required_one_of=[("database", "volume")],
        required_by={"database": "service"},
        required_if=[("stop", True, ("service",))],
    )


if __name__ == "__main__":
    main()
