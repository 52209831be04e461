# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of the host's that ends, and whose words can be read whatever their bytes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from .errors import UserError


def run(argv: Sequence[str], timeout: float = 120, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run it.

    Args:
        timeout: Seconds.
        told: What it reads.

    Raises:
        UserError: It is missing, cannot be run, or does not end.
    """
    try:
        return subprocess.run(
            argv,
            input=told,
            capture_output=True,
            timeout=timeout,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        raise UserError(f"there is no {argv[0]} command on this host")
    except OSError as error:
        raise UserError(f"the command {argv[0]} does not run: {error}")
    except subprocess.TimeoutExpired:
        raise UserError(f"{' '.join(argv[:2])} did not end within {timeout:g} s")
