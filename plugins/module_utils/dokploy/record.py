# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What served, and what served before it: kept on the server, in a file of the service's own, and deployed again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from .client import Client
from .deployment import newest, revision_of
from .fingerprint import RECORD_FILE, SOURCE_FIELDS
from .head import ref_at

Source = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """Sources in the server's own names, with the commit of a Git one as `revision`; None for what is not known."""

    served: Source | None = None
    former: Source | None = None
    mount_id: str = ""


def read_record(stored: Mapping[str, Any]) -> Record:
    """The record of a service, from `compose.one`; an empty one where somebody spoilt it."""
    mount = next((row for row in stored.get("mounts") or [] if row.get("filePath") == RECORD_FILE), None)
    if mount is None:
        return Record()
    told: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        told = json.loads(str(mount.get("content") or ""))
    told = told if isinstance(told, dict) else {}
    served, former = (told.get(key) if isinstance(told.get(key), dict) else None for key in ("served", "former"))
    return Record(served, former, str(mount.get("mountId")))


def source_of(stored: Mapping[str, Any], revision: str) -> Source:
    """What a service is deployed from now."""
    kind = str(stored.get("sourceType"))
    fields = {"sourceType": kind, **{name: stored.get(name) for name in SOURCE_FIELDS.get(kind, ())}}
    return {**fields, "revision": revision} if kind != "raw" else fields


def label(source: Source) -> str:
    """What a person tells a source by: a commit, or a digest of what has none."""
    text = json.dumps(source, sort_keys=True)
    return str(source.get("revision") or "") or hashlib.sha256(text.encode()).hexdigest()[:24]


def remember(client: Client, stored: Mapping[str, Any], source: Source) -> None:
    """This source serves now; what is written holds neither secrets nor variables, only references to them."""
    record = read_record(stored)
    if record.served == source:
        return
    content = json.dumps({"served": source, "former": record.served}, sort_keys=True)
    if record.mount_id:
        client.post("mounts.update", mountId=record.mount_id, content=content)
        return
    client.post(
        "mounts.create",
        type="file",
        serviceType="compose",
        serviceId=stored["composeId"],
        mountPath=f"/{RECORD_FILE}",
        filePath=RECORD_FILE,
        content=content,
    )


def target(stored: Mapping[str, Any]) -> Source:
    """What a rollback deploys: what served last where the service was changed since, else what served before it.

    Raises:
        UserError: Nothing of the kind is known.
    """
    record = read_record(stored)
    now = source_of(stored, revision_of(newest(stored.get("deployments") or [])))
    found = record.former if record.served == now else record.served
    if found is None:
        raise UserError(
            "there is nothing to go back to: no other source of this service has served since this collection keeps "
            "a record of it"
        )
    return found


def restore(client: Client, stored: Mapping[str, Any], source: Source) -> None:
    """The service is configured with a former source; nothing is deployed.

    Raises:
        UserError: The commit is not known, or no branch or tag ends at it, and Dokploy deploys only their ends.
    """
    fields = {name: value for name, value in source.items() if name != "revision"}
    revision = str(source.get("revision") or "")
    if source.get("sourceType") != "raw":
        if not revision:
            raise UserError(
                "it is not known at which commit the repository served, since Dokploy did not say which it built; "
                "deploy the one that is meant, by revision"
            )
        url, branch = str(fields.get("customGitUrl")), str(fields.get("customGitBranch") or "main")
        ref = ref_at(url, branch, revision)
        if not ref:
            raise UserError(
                f"no branch or tag of {url} that can be read without credentials ends at {revision[:12]}, and Dokploy "
                "deploys only their ends; push a tag at that commit, and set git_branch to it"
            )
        fields["customGitBranch"] = ref
    client.post("compose.update", composeId=stored["composeId"], **fields)
