#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon_config
short_description: Lay keys over daemon.json without ever stopping a running engine for good
version_added: 0.1.0
description:
  - Merges keys into the engine's C(daemon.json), keeping what a user has there.
  - The result is tried with C(dockerd --validate) before it takes the file's place.
  - A running engine is restarted with it. When the engine does not come back, the former file does, and the
    engine is started with that.
author:
  - The sluice.deploy maintainers (@sluice)
attributes:
  check_mode:
    description: The merged file is validated and shown, and nothing is written.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
options:
  config:
    description: >-
      Keys to lay over the file. Objects are merged, everything else is replaced, and a null drops the key.
    type: dict
    required: true
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
  restart:
    description: Whether a running engine takes the new file at once.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for the engine to answer after its restart.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Container logs are rotated
  sluice.deploy.docker_daemon_config:
    config:
      log-driver: json-file
      log-opts: {max-size: 10m, max-file: "3"}
      mtu: null
"""

RETURN = r"""
config:
  description: The file's content after the change.
  returned: success
  type: dict
restarted:
  description: Whether the engine was restarted.
  returned: success
  type: bool
"""

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import commands
from ..module_utils.dockerhost import daemon_config
from ..module_utils.errors import UserError, one_message
from ..module_utils.files import write_whole

UNIT = "docker.service"
# A restart stops containers, each in its own time.
_SECONDS = 300


def run(*command: str) -> subprocess.CompletedProcess:
    """Its result; one that is missing or does not end has failed, and the former file has to come back."""
    try:
        return commands.run(command, _SECONDS)
    except UserError as error:
        return subprocess.CompletedProcess(command, 124, "", str(error))


def check_with_engine(path: Path) -> None:
    """Ask dockerd whether it would start with this file."""
    dockerd = shutil.which("dockerd")
    if dockerd is None:
        return
    done = run(dockerd, "--validate", "--config-file", str(path))
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
        raise UserError(f"docker_host_daemon: dockerd refuses the configuration, nothing was changed: {reason}")


def engine_answers(timeout: float) -> bool:
    end = time.monotonic() + timeout
    while True:
        if run("docker", "version", "--format", "{{.Server.Version}}").returncode == 0:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.2)


def restart_engine(timeout: float) -> str:
    """Restart; answers the engine's last words when it does not come back, else an empty string."""
    # live-restore taken in by a reload keeps containers running through the restart that follows.
    run("systemctl", "reload", UNIT)
    run("systemctl", "reset-failed", UNIT)
    if run("systemctl", "restart", UNIT).returncode == 0 and engine_answers(timeout):
        return ""
    journal = run("journalctl", "--unit", UNIT, "--lines", "20", "--output", "cat", "--no-pager").stdout
    told = [line for line in journal.splitlines() if "fail" in line.lower() or "unable" in line.lower()]
    return (told or journal.splitlines() or ["it gave no reason"])[-1].strip()


def replace_file(path: Path, text: str, apply: bool, timeout: float) -> bool:
    """Put the text in the file's place, with the engine's consent; answers whether it was restarted."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    former = path.read_bytes() if path.exists() else None
    mode = path.stat().st_mode & 0o777 if former is not None else 0o644
    write_whole(path, text, mode, check=check_with_engine)
    if not apply or run("systemctl", "is-active", "--quiet", UNIT).returncode != 0:
        return False
    reason = restart_engine(timeout)
    if not reason:
        return True
    if former is None:
        path.unlink()
    else:
        write_whole(path, former, mode)
    restored = restart_engine(timeout)
    state = (
        "runs again with the former file"
        if not restored
        else f"does not come back with the former file either: {restored}"
    )
    raise UserError(f"docker_host_daemon: the engine did not start with the new daemon.json ({reason}); it {state}")


def preview(text: str) -> None:
    """Validate in a scratch directory, for check mode."""
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch, "daemon.json")
        staged.write_text(text, encoding="utf-8")
        check_with_engine(staged)


def apply(module: AnsibleModule) -> dict:
    path = Path(module.params["path"])
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    # Values that come through Jinja may be of its own string types.
    told = json.dumps(module.params["config"])
    # A proxy's address may hold one: neither the difference nor a message shows it, nor the call with -vvv.
    module.no_log_values.update(daemon_config.passwords(before) | daemon_config.passwords(told))
    present = daemon_config.parse(before, str(path))
    wanted = daemon_config.lay_over(present, json.loads(told))
    result = {"changed": wanted != present, "config": wanted, "restarted": False}
    if not result["changed"]:
        return result
    after = daemon_config.render(wanted)
    result["diff"] = {"before_header": str(path), "after_header": str(path), "before": before, "after": after}
    if module.check_mode:
        preview(after)
    else:
        result["restarted"] = replace_file(path, after, module.params["restart"], module.params["timeout"])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "dict", "required": True},
            "path": {"type": "path", "default": daemon_config.PATH},
            "restart": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    with one_message(module):
        module.exit_json(**apply(module))


if __name__ == "__main__":
    main()
