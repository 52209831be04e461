#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a host's notices go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_notify
short_description: Have a host tell people what happens on it
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Releases, rollbacks, restarts, backups, scheduled jobs, certificates and checks leave notices in a directory, and
    systemd starts what sends them from there. So no target, however slow, holds anything up.
  - A notice that does not arrive is tried again twice within a minute, and then said in the journal of
    C(sluice-notify.service).
  - Where the targets change, they are told so, and those that are new of what is wrong at that time.
options:
  targets:
    description:
      - Each has a C(kind), V(slack), V(mattermost), V(discord), V(telegram), V(ntfy), V(webhook) or V(email).
      - C(url) is needed by all but V(telegram), which needs C(token) and C(chat), and V(email), which needs C(host),
        C(from) and C(to), and may have C(port), C(username), C(password) and C(tls), V(starttls), V(tls) or V(none).
      - V(ntfy) and V(webhook) may have a C(token), which they are sent as a bearer. A V(webhook) gets JSON with
        C(event), C(stack), C(host), C(at), C(title) and C(text).
      - C(events) are patterns such as V(release.failed), V(backup.*) or V(*.failed), all of them by default; C(stacks)
        are names of stacks.
      - C(title) and C(text) say it in words of the target's own, with the fields C({host}), C({stack}), C({event}),
        C({at}), C({title}) and C({text}).
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Writes nothing, tells nobody.
  diff_mode:
    support: none
    description: The settings hold secrets.
  idempotent:
    support: full
    description: Settings that are as they should be are left alone.
"""

EXAMPLES = r"""
- name: People know
  sluice.deploy.host_notify:
    targets:
      - {kind: slack, url: "{{ vault_slack_url }}"}
      - {kind: ntfy, url: https://ntfy.example.com/crm, token: "{{ vault_ntfy_token }}", events: ["*.failed"]}
"""

RETURN = r"""
kinds:
  description: The kinds of the targets.
  returned: success
  type: list
  elements: str
  sample: [slack, ntfy]
"""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import units
from ..module_utils.application import application
from ..module_utils.errors import one_message

# Ansible ships to the server what a module imports: the command must be among it.
from ..module_utils.notices import sender, targets, tell

_SERVICE = """\
[Unit]
Description=Notices to people
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={command}
"""
_PATH = """\
[Unit]
Description=Notices to people, when one waits

[Path]
DirectoryNotEmpty={spool}
MakeDirectory=yes
DirectoryMode=0700

[Install]
WantedBy=paths.target
"""


def planned(wanted: list[dict]) -> dict[Path, units.File]:
    """The files that notices need; none without a target."""
    if not wanted:
        return {}
    command = units.LIBRARY / "notify"
    return {
        command: (application(sender.__name__.rpartition(".module_utils.")[2], command), 0o755),
        tell.SETTINGS: (json.dumps({"targets": wanted}, indent=1, sort_keys=True).encode(), 0o600),
        units.UNITS / "sluice-notify.service": (_SERVICE.format(command=command).encode(), 0o644),
        units.UNITS / "sluice-notify.path": (_PATH.format(spool=tell.SPOOL).encode(), 0o644),
    }


def _targets() -> set[str]:
    """The identities of the targets that there are."""
    try:
        told = json.loads(tell.SETTINGS.read_text(encoding="utf-8"))["targets"]
    except (OSError, ValueError):
        return set()
    return set(map(targets.identity, told))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {"targets": {"type": "list", "elements": "dict", "required": True, "no_log": True}}, supports_check_mode=True
    )
    # Kinds, events and stacks are no secrets, and words that messages are made of.
    given = [told for told in module.params["targets"] if isinstance(told, dict)]
    module.no_log_values.clear()
    module.no_log_values.update(str(told[key]) for told in given for key in targets.SECRET if told.get(key))
    with one_message(module):
        wanted = targets.checked(module.params["targets"])
        former = [
            units.UNITS / "sluice-notify.path",
            units.UNITS / "sluice-notify.service",
            units.LIBRARY / "notify",
            tell.SETTINGS,
        ]
        before = _targets()
        changed = units.install(planned(wanted), former, module.check_mode)
        if changed and not module.check_mode:
            tell.tell("host.targets", "Notices of this host come here")
            tell.tell_what_is_known([i for i in map(targets.identity, wanted) if i not in before])
            if not wanted:
                tell.forget()
    module.exit_json(changed=changed, kinds=[target["kind"] for target in wanted])


if __name__ == "__main__":
    main()
