# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a deployment from outside and on its host at the same time, in one task."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils.errors import UserError
from ..module_utils.results import worst_status
from ..module_utils.siteprobe.probe import probe
from ..modules.site_probe import ARGUMENT_SPEC as SITE
from ..modules.site_probe import wishes

# Loaded once in the process that all hosts' workers come from; each of them would need it for the certificates, and
# the probe says it where it is missing.
with contextlib.suppress(ImportError):
    import cryptography.x509  # noqa: F401

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "site": {"type": "dict", "no_log": True},
    "host": {"type": "dict"},
    "images": {"type": "dict"},
    "logs": {"type": "dict", "no_log": True},
}
SKIPPED = {"skipped": True}


def look_from_outside(options: Mapping[str, Any]) -> dict[str, Any]:
    """What M(sluice.deploy.site_probe) tells, without a process of its own."""
    checked = ArgumentSpecValidator(SITE).validate(dict(options))
    if checked.error_messages:
        return {"failed": True, "msg": "; ".join(checked.error_messages)}
    try:
        results = probe(wishes(checked.validated_parameters))
    except UserError as error:
        return {"failed": True, "msg": str(error)}
    except Exception as error:
        # Its text may hold what was sent.
        return {"failed": True, "msg": f"unexpected {type(error).__name__}; this is a defect, please report it"}
    return {"changed": False, "results": results, "status": worst_status(results)}


class ActionModule(ActionBase):
    """The action behind M(sluice.deploy.verify_look)."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _, params = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        result.update(changed=False, began=time.time(), host=SKIPPED, images=SKIPPED, logs=SKIPPED)
        with ThreadPoolExecutor(1) as pool:
            site = pool.submit(look_from_outside, params["site"]) if params["site"] is not None else None
            if params["host"] is not None:
                result.update(self._on_the_host(params, task_vars or {}))
            result["site"] = site.result() if site else SKIPPED
        return result

    def _on_the_host(self, params: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        asked = {part: params[part] for part in ("host", "images", "logs") if params[part] is not None}
        told = self._execute_module(module_args=asked, task_vars=task_vars)
        if told.get("unreachable"):
            raise AnsibleConnectionFailure(str(told.get("msg", "the host is gone")))
        if told.get("failed"):
            return {"host": {"failed": True, "msg": told.get("msg") or "the host did not answer"}}
        return {part: told[part] for part in asked if part in told}
