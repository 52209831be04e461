#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_notification
short_description: Have a Dokploy server tell of what happens
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a Dokploy server tells of deployments, backups and the like through a channel, or does not.
  - A notification is told by its name and its channel.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.state
options:
  name:
    description: Name of the notification.
    type: str
    required: true
  channel:
    description: What it is sent through. V(custom) is a webhook of your own.
    type: str
    choices: [slack, discord, telegram, email, custom]
    required: true
  events:
    description: What is told.
    type: list
    elements: str
    choices: [deployed, failed, database_backup, volume_backup, dokploy_backup, restarted, cleaned, threshold]
    default: [failed, database_backup, volume_backup, dokploy_backup]
  webhook_url:
    description: Address of the webhook, of V(slack), V(discord) and V(custom). It is as secret as a password.
    type: str
  slack_channel:
    description: Channel of V(slack).
    type: str
    default: ""
  bot_token:
    description: Token of the bot of V(telegram).
    type: str
  chat_id:
    description: Chat of V(telegram).
    type: str
  smtp_server:
    description: Server that takes the mail of V(email).
    type: str
  smtp_port:
    description: Its port.
    type: int
    default: 587
  username:
    description: Who logs in to it.
    type: str
  password:
    description: With this password.
    type: str
  from_address:
    description: Who the mail is from.
    type: str
  to_addresses:
    description: Who gets it.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Whoever is on duty hears of failures
  sluice.deploy.dokploy_notification:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    name: on duty
    channel: slack
    webhook_url: "{{ vault_slack_webhook }}"
    events: [failed, database_backup]
  delegate_to: localhost
"""

RETURN = r"""
id:
  description: Id of the notification; null where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import STATE, AnsibleModule, Client, run_module, settle_row
from ..module_utils.dokploy.belongings import EVENTS, notification, notifications
from ..module_utils.dokploy.rows import Wanted
from ..module_utils.errors import UserError

SECRETS = ("webhook_url", "bot_token", "password")


def channel_fields(params: dict[str, Any]) -> dict[str, Any]:
    """What a channel needs, as Dokploy names it."""
    return {
        "slack": {"webhookUrl": params["webhook_url"], "channel": params["slack_channel"]},
        "discord": {"webhookUrl": params["webhook_url"], "decoration": True},
        "custom": {"endpoint": params["webhook_url"]},
        "telegram": {"botToken": params["bot_token"], "chatId": params["chat_id"], "messageThreadId": ""},
        "email": {
            "smtpServer": params["smtp_server"],
            "smtpPort": params["smtp_port"],
            "username": params["username"],
            "password": params["password"],
            "fromAddress": params["from_address"],
            "toAddresses": params["to_addresses"],
        },
    }[params["channel"]]


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, channel = module.params, module.params["channel"]
    client.redact.add(params[name] for name in SECRETS if params[name])
    given = channel_fields(params)
    if params["state"] == "present" and None in given.values():
        missing = ", ".join(name for name, value in given.items() if value is None)
        raise UserError(f"channel {channel} needs all of its options; Dokploy calls those that are missing {missing}")
    events = {field: event in params["events"] for event, field in EVENTS.items()}
    wanted = Wanted(
        {"name": params["name"]},
        {**events, **given},
        ids=lambda row: {f"{channel}Id": row[f"{channel}Id"]},
    )

    def rows() -> list[Any]:
        return [row for row in notifications(client) if row.get("notificationType") == channel]

    return settle_row(module, client, notification(channel), rows, wanted)


def main() -> None:
    text = {"type": "str"}
    run_module(
        {
            "name": {"type": "str", "required": True},
            "channel": {
                "type": "str",
                "required": True,
                "choices": ["slack", "discord", "telegram", "email", "custom"],
            },
            "events": {
                "type": "list",
                "elements": "str",
                "choices": list(EVENTS),
                "default": ["failed", "database_backup", "volume_backup", "dokploy_backup"],
            },
            "webhook_url": {**text, "no_log": True},
            "slack_channel": {**text, "default": ""},
            "bot_token": {**text, "no_log": True},
            "chat_id": text,
            "smtp_server": text,
            "smtp_port": {"type": "int", "default": 587},
            "username": text,
            "password": {**text, "no_log": True},
            "from_address": text,
            "to_addresses": {"type": "list", "elements": "str"},
            **STATE,
        },
        act,
    )


if __name__ == "__main__":
    main()
