# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Search logs for secrets: the deployment's own values in any encoding, and credentials by their form.

For other parts of the collection, `scan_texts` is all that is needed. The way of a byte: logs/ finds and reads the
logs, search/ cuts them into blocks and finds the records worth a look with what rules/ knows, confirm.py judges
them, findings.py counts what is a secret, report.py says it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..secretvalues.redaction import mask_private_keys
from .options import Options
from .report import ScanReport
from .run import run

__all__ = ["Options", "ScanReport", "run", "scan_texts", "without_secrets"]


def scan_texts(texts: Mapping[str, str], secrets: Mapping[str, str] | None = None) -> ScanReport:
    """Search texts, by name, for secrets; nothing is read from or written to the disk."""
    return run(Options(texts=dict(texts), secrets=dict(secrets or {}), cache=""))


def without_secrets(text: str) -> str:
    """A text for a person: a line ends before what looks like a secret in it, and of private keys nothing is left."""
    lines = mask_private_keys(text).splitlines()
    cut: dict[int, str] = {}
    for finding in scan_texts({str(number): line for number, line in enumerate(lines)}).findings:
        number = int(finding.source.removeprefix("text "))
        # Of several in a line, the last shows what leads up to it, without those before.
        cut[number] = max(cut.get(number, ""), finding.line, key=len)
    return "\n".join(cut.get(number, line) for number, line in enumerate(lines))
