# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an nginx can do, by its version, that of its OpenSSL and what was built into it; and what is too much for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import Mistakes, UserError
from .model import State

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
    modules: frozenset[str] | None = None
    """The optional modules that it was built with; none where it does not tell."""

    def lacks(self, module: str) -> bool:
        return self.modules is not None and module not in self.modules


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
        modules=_modules(build),
    )


def check_features(state: State, features: Features) -> None:
    """The edge's nginx can do what the sites ask for.

    Raises:
        UserError: What asks for too much, and for what; a line each.
    """
    mistakes = Mistakes()

    def want(setting: str, module: str, there: bool) -> None:
        if not there:
            mistakes.append(
                f"{setting}: the nginx of nginx_certbot_image has no module {module}; take one that was built"
                f" --with-{module}."
            )

    for module in ("http_ssl_module", "http_v2_module"):
        want("nginx_certbot_image", module, not features.lacks(module))
    if state.edge.trusted_proxies:
        want("nginx_certbot_trusted_proxies", "http_realip_module", not features.lacks("http_realip_module"))
    for name, site in state.sites.items():
        if any(rule.forward for rule in site.access):
            module = "http_auth_request_module"
            want(f"nginx_certbot_access.forward_auth ({name})", module, not features.lacks(module))
        if site.ports:
            want(f"nginx_certbot_ports ({name})", "stream", bool(features.stream))
        if any(port.tls for port in site.ports):
            module = "stream_ssl_module"
            want(f"nginx_certbot_ports.tls ({name})", module, not features.lacks(module))
    mistakes.tell()


def _modules(build: str) -> frozenset[str] | None:
    told = re.search(r"configure arguments:(.*)", build)
    return frozenset(re.findall(r"--with-(\w+_module)", told[1])) if told else None


def _stream(build: str) -> str:
    if re.search(r"--with-stream(?=\s|$)", build):
        return "built in"
    folder = re.search(r"--modules-path=(\S+)", build)
    return f"{folder[1]}/ngx_stream_module.so" if folder and "--with-stream=dynamic" in build else ""


def _version(text: str, pattern: str) -> Version | None:
    match = re.search(pattern, text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
