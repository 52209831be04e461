# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""certbot: what it is asked, and what its answers mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from ..stack.model import WILDCARD
from .engine import confinement
from .model import Edge
from .site import Site

# Inside certbot's container.
_ACME, _WEBROOT, _CA_BUNDLE, _DNS = "/etc/letsencrypt", "/var/www/acme", "/tmp/ca.pem", "/tmp/dns.ini"

# Takes its credentials from where Amazon's tools do, and asks the DNS itself how far it is.
_ROUTE53 = "route53"


class Refusal(NamedTuple):
    """Why there is no certificate, for a person; and when to ask again, where the CA said so."""

    reason: str
    retry_after: datetime | None = None


def certbot_container(edge: Edge, site: Site) -> str:
    return f"{edge.project}-certbot-{site.name}"


def container_argv(edge: Edge, site: Site, root: Path, certbot: list[str]) -> list[str]:
    """A confined container, without an engine's socket, that sees nothing but certbot's own files."""
    mounts = [f"{root}/acme:{_ACME}", f"{root}/webroot:{_WEBROOT}"]
    environment: list[str] = []
    if site.certificate.ca_bundle:
        mounts.append(f"{site.certificate.ca_bundle}:{_CA_BUNDLE}:ro")
        environment = [f"--env=REQUESTS_CA_BUNDLE={_CA_BUNDLE}"]
    if site.certificate.dns_plugin:
        mounts.append(f"{root}/dns/{site.name}.ini:{_DNS}:ro")
    if site.certificate.dns_plugin == _ROUTE53:
        environment.append(f"--env=AWS_SHARED_CREDENTIALS_FILE={_DNS}")
    return [
        *("docker", "run", "--rm", f"--name={certbot_container(edge, site)}", f"--network={edge.network}"),
        *("--tmpfs=/run", "--tmpfs=/tmp:mode=1777"),
        *confinement(edge),
        *(f"--volume={mount}" for mount in mounts),
        *environment,
        "--entrypoint=certbot",
        edge.certbot_image,
        *certbot,
        *(f"--{kind}-dir={_ACME}{below}" for kind, below in _DIRECTORIES),
    ]


_DIRECTORIES = (("config", ""), ("work", "/work"), ("logs", "/logs"))


def issue_argv(site: Site) -> list[str]:
    """Get a certificate in place of whatever this stack has."""
    wanted = site.certificate
    profile = ["--required-profile", wanted.profile] if wanted.profile else []
    key = ["--key-type", "rsa", "--rsa-key-size", "3072"]
    if wanted.key_type == "ecdsa":
        key = ["--key-type", "ecdsa", "--elliptic-curve", "secp256r1"]
    return [
        *("certonly", "--non-interactive", "--agree-tos", "--no-eff-email", "--email", wanted.email),
        *("--server", wanted.directory, "--cert-name", site.name),
        # Whoever names another CA, be it one for tests, wants its certificate in place of the present one.
        *("--renew-with-new-domains", "--force-renewal", "--break-my-certs"),
        *key,
        *profile,
        *_challenge(site),
        *(f"--domain={domain}" for domain in _asked_for(site.names)),
    ]


def _asked_for(names: Sequence[str]) -> list[str]:
    """The names but for those that a wildcard among them stands for: a CA refuses what is asked for twice."""
    return [name for name in names if WILDCARD + name.partition(".")[2] not in names or name.startswith(WILDCARD)]


def _challenge(site: Site) -> list[str]:
    plugin = site.certificate.dns_plugin
    if not plugin:
        return ["--webroot", "--webroot-path", _WEBROOT]
    if plugin == _ROUTE53:
        return [f"--dns-{plugin}"]
    return [
        f"--dns-{plugin}",
        *(f"--dns-{plugin}-credentials", _DNS),
        *(f"--dns-{plugin}-propagation-seconds", str(site.certificate.dns_propagation)),
    ]


def renew_argv(site: Site) -> list[str]:
    """Renew when it is due: by ARI where certbot and CA know it, else by what is left of its life."""
    return ["renew", "--non-interactive", "--no-random-sleep-on-renew", "--cert-name", site.name]


_ADVICE = {
    "dns": "check that its A and AAAA records point to this host",
    "connection": "port 80 of this host must be reachable from the Internet: check firewall and DNS",
    "unauthorized": "another server answers for it: check its A and AAAA records",
    "caa": "a CAA record of the domain forbids this CA",
}


def refusal(output: str, directory: str) -> Refusal:
    """Plain words for what certbot printed when it failed."""
    # certbot 5 writes Identifier where older ones write Domain.
    problem = re.search(
        r"(?:Domain|Identifier): *(?P<domain>\S+)\s+Type: *(?P<type>\S+)\s+Detail: *(?P<detail>[^\n]+)", output
    )
    if problem:
        advice = _ADVICE.get(problem["type"], "")
        return Refusal(
            f"the CA could not check {problem['domain']}: {problem['detail'].strip().rstrip('.')}"
            + (f"; {advice}" if advice else "")
        )
    if re.search(r"rateLimited|too many (certificates|failed|registrations|new orders|requests)", output, re.I):
        return Refusal(f"the CA's rate limit is reached: {_detail(output)}", _retry_after(output))
    if re.search(r"unrecognized arguments:.*--required-profile", output):
        return Refusal("this certbot knows no profiles; take 4.0 or later (nginx_certbot_certbot_image)")
    if "CERTIFICATE_VERIFY_FAILED" in output:
        return Refusal(
            f"the certificate of {directory} itself is not trusted; for a private CA set nginx_certbot_acme_ca_bundle"
        )
    if re.search(r"Connection refused|Failed to (resolve|establish)|Name or service not known|timed out"
                 r"|Max retries exceeded|Network is unreachable|No route to host", output):  # fmt: skip
        return Refusal(f"the CA does not answer at {directory}")
    return Refusal(_detail(output))


def _detail(output: str) -> str:
    rows = [row.strip() for row in output.splitlines() if row.strip()]
    noise = re.compile(r"Saving debug log|Ask for help|See the logfile|^-( -)+$|^Some challenges|^Processing")
    telling = [row for row in rows if not noise.search(row)]
    stated = re.search(r"urn:ietf:params:acme:error:\w+ :: (.+)|Failed to renew .* with error: (.+)", output)
    return ((stated[1] or stated[2]).strip() if stated else telling[-1] if telling else "certbot gave no reason")[:400]


def _retry_after(output: str) -> datetime | None:
    found = re.search(r"retry after (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)", output, re.I)
    if not found:
        return None
    return datetime.strptime(f"{found[1]} {found[2]}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
