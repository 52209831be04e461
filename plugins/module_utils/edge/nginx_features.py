# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an nginx can do, by its version and that of its OpenSSL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UserError

Version = tuple[int, int, int]

OLDEST: Version = (1, 22, 0)


@dataclass(frozen=True)
class Features:
    """Directives that not every supported nginx knows."""

    http2_directive: bool
    """Before 1.25.1 HTTP/2 is a parameter of `listen`."""
    keepalive_min_timeout: bool
    """From 1.27.4 a reload does not reset idle keep-alive connections."""
    hybrid_key_exchange: bool
    """OpenSSL 3.5 brings ML-KEM."""
    stream: str = ""
    """The module for TCP and UDP: a file to load, or that it is built in; empty without any."""


def features_of(build: str) -> Features:
    """Read the output of `nginx -V`.

    Raises:
        UserError: It is no nginx, or one older than is supported.
    """
    version = _version(build, r"nginx version: [^/\s]+/(\d+)\.(\d+)\.(\d+)")
    if version is None:
        raise UserError("nginx_certbot_image: the image holds no nginx that tells its version.")
    if version < OLDEST:
        raise UserError(f"nginx_certbot_image: nginx {'.'.join(map(str, version))} is too old; take 1.22 or later.")
    # What it runs with counts, not what it was built with.
    openssl = _version(build, r"running with OpenSSL (\d+)\.(\d+)\.(\d+)") or _version(
        build, r"built with OpenSSL (\d+)\.(\d+)\.(\d+)"
    )
    return Features(
        http2_directive=version >= (1, 25, 1),
        keepalive_min_timeout=version >= (1, 27, 4),
        hybrid_key_exchange=(openssl or (0, 0, 0)) >= (3, 5, 0),
        stream=_stream(build),
    )


def _stream(build: str) -> str:
    if re.search(r"--with-stream(?=\s|$)", build):
        return "built in"
    folder = re.search(r"--modules-path=(\S+)", build)
    return f"{folder[1]}/ngx_stream_module.so" if folder and "--with-stream=dynamic" in build else ""


def _version(text: str, pattern: str) -> Version | None:
    match = re.search(pattern, text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
