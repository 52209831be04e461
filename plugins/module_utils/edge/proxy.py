# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How requests are handed on to an app."""

from __future__ import annotations

from collections.abc import Mapping

from .model import Edge
from .text import directive


def proxy_headers(edge: Edge, more: Mapping[str, str] | None = None) -> list[str]:
    """All headers that the edge sets; a block that sets one of its own has to set all of them."""
    headers = {
        "Host": "$host",
        "Connection": "$connection_upgrade",
        "Upgrade": "$app_upgrade",
        # What the client claims is dropped: only the address that nginx sees counts.
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
        "X-Forwarded-Host": "$host" if edge.https_port == 443 else f"$host:{edge.https_port}",
        "X-Forwarded-Port": str(edge.https_port),
        "Authorization": "$app_authorization",
        "Cookie": "$app_cookie",
        "Forwarded": '""',
        **(more or {}),
    }
    return [directive("proxy_set_header", name, value) for name, value in headers.items()]


def proxy_defaults(edge: Edge) -> list[str]:
    return [
        "proxy_http_version 1.1;",
        *proxy_headers(edge),
        # A host of a swarm that has just died is among the addresses for about 12 s: no request is to wait long
        # for it. Time for one packet that was lost, all the same.
        f"proxy_connect_timeout {2 if edge.overlay else 5}s;",
        "proxy_send_timeout 60s;",
        # Events reach the client as the app sends them.
        "proxy_buffering off;",
        "proxy_redirect off;",
        "proxy_hide_header X-Powered-By;",
        "proxy_hide_header Server;",
    ]


def answer_buffers(size: int) -> list[str]:
    """All headers of an answer have to fit: apps with single sign-on set many long cookies."""
    return [f"proxy_buffer_size {size};", f"proxy_buffers 8 {size};"]
