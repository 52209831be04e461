# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of a Dokploy server that hurt sooner or later, each named with its cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..results import GateResult, gate_result

# Let's Encrypt refuses these, and Dokploy's own default is one of them.
_PLACEHOLDERS = ("example.com", "example.org", "example.net", "localhost", "localhost.com", "test.com")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_settings(settings: Mapping[str, Any], *, url: str, letsencrypt: bool) -> list[GateResult]:
    """Judge the answer of `settings.getWebServerSettings`, and the way to the server.

    Args:
        settings: The server's answer.
        url: Where it answered.
        letsencrypt: Whether a domain asks for a certificate of Let's Encrypt.
    """
    results = [_transport(url), _prune(settings)]
    if letsencrypt:
        results.append(_acme_email(settings))
    return results


def _transport(url: str) -> GateResult:
    parts = urlsplit(url)
    clear = parts.scheme == "http" and parts.hostname not in _LOOPBACK
    return gate_result(
        "dokploy.transport",
        "The API key travels encrypted",
        "warn" if clear else "pass",
        measured=parts.scheme,
        limit="https, or http through a tunnel",
        evidence=["url is plain HTTP: whoever sees the traffic has the API key and every secret"] if clear else [],
        advice=[
            "give the server a domain with HTTPS under Web Server in Dokploy and close port 3000, or tunnel: "
            "ssh -L 3000:127.0.0.1:3000"
        ]
        if clear
        else [],
    )


def _prune(settings: Mapping[str, Any]) -> GateResult:
    prunes = bool(settings.get("enableDockerCleanup"))
    return gate_result(
        "dokploy.nightly_prune",
        "Dokploy leaves unused images alone at night",
        "warn" if prunes else "pass",
        measured="on" if prunes else "off",
        limit="off",
        evidence=[
            "enableDockerCleanup is on: each night all unused images, stopped containers and the build "
            "cache of the whole host go, images to roll back to among them"
        ]
        if prunes
        else [],
        advice=["switch off Docker Cleanup under Web Server in Dokploy"] if prunes else [],
    )


def _acme_email(settings: Mapping[str, Any]) -> GateResult:
    email = str(settings.get("letsEncryptEmail") or "")
    usable = "@" in email and not email.lower().endswith(_PLACEHOLDERS)
    return gate_result(
        "dokploy.acme_email",
        "Let's Encrypt knows whom to write to",
        "pass" if usable else "warn",
        measured=email or "none",
        limit="a real address",
        evidence=[]
        if usable
        else [
            "Traefik's ACME account keeps the address of Dokploy's default configuration, "
            "which Let's Encrypt may refuse"
        ],
        advice=[] if usable else ["set an e-mail address under Web Server, Server Domain, in Dokploy"],
    )
