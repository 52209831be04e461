# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every stack's certificate: got where it is missing, renewed when due, put in place, watched over."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from ..errors import UserError, sentence, troubles_of
from ..files import write_whole
from . import attempts
from .acme import Refusal, certbot_container, container_argv, issue_argv, refusal, renew_argv
from .apply import apply
from .certificates import check_pair, der, facts
from .engine import EdgeEngine, Run, container_name, run
from .model import Edge
from .site import Site
from .store import Store

_CERTBOT_SECONDS = 900
_ALERT_BELOW = 1 / 3
_TLS_SECONDS = 10

_SPOILT = (
    "the edge is spoilt: no generation in conf/ is intact, and no certificate is renewed."
    " Run the nginx_certbot role, or playbooks/site.yml, which makes it anew."
)

Say = Callable[[str], None]


def wants_issue(site: Site, root: Path, follows: bool = False) -> bool:
    """Nothing fitting is in hand: none, or one for other names, another CA, key type or profile.

    Args:
        follows: Another host's edge asks the CA for this one.
    """
    if site.certificate.kind != "acme" or follows:
        return False
    issued = attempts.load(root, site.name).issued
    return issued != site.certificate.issued_as(site.names) or not _live(root, site, "fullchain").exists()


def maintain(store: Store, say: Say, runner: Run = run) -> list[str]:
    """Do for all stacks what is to be done.

    Returns:
        What a person has to look after, a line each; empty when all is well.
    """
    with store.lock("certificates.lock", wait=_CERTBOT_SECONDS):
        looked: dict[str, Site] = {}
        troubles: dict[str, list[str]] = {}
        while True:
            state = store.state()
            if state is None:
                return [_SPOILT] if store.current() else []
            # A stack that came or changed while a CA was asked has been told that this run sees to it.
            fresh = [site for site in state.sites.values() if looked.get(site.name) != site]
            if not fresh:
                return [*itertools.chain(*troubles.values()), *_alerts(store, attempts.now())]
            for site in fresh:
                looked[site.name] = site
                if site.certificate.kind == "acme" and not state.edge.lead:
                    ask = partial(_obtain, state.edge, site, store, say, runner)
                    troubles[site.name] = troubles_of(ask, site.name)


def _obtain(edge: Edge, site: Site, store: Store, say: Say, runner: Run) -> list[str]:
    """Ask the CA if it is time to, then put what there is in place."""
    root, past, now = store.root, attempts.load(store.root, site.name), attempts.now()
    until = past.blocked_until(now)
    if until:
        return [f"{site.name}: {past.reason}. The CA is asked again from {until:%Y-%m-%d %H:%M} UTC on."]
    missing = wants_issue(site, root)
    why = _ask(edge, site, root, issue_argv(site) if missing else renew_argv(site), runner)
    trouble: list[str] = []
    if why is None:
        past = past.succeeded(site.certificate.issued_as(site.names))
    else:
        past = past.failed(why, now)
        trouble = [f"{site.name}: {why.reason}."]
    try:
        if deploy(store, site.name, runner):
            say(f"{site.name}: a new certificate is in place")
    except (UserError, OSError) as error:
        past = past.failed(Refusal(str(error).rstrip(".")), now)
        trouble.append(sentence(f"{site.name}: {error}"))
    # Last, because whoever waits for the certificate takes this as word that it serves.
    return trouble + troubles_of(lambda: attempts.save(root, site.name, past), site.name)


def _ask(edge: Edge, site: Site, root: Path, certbot: list[str], runner: Run) -> Refusal | None:
    """Run certbot; a container that an earlier run left behind is not in its way."""
    name = certbot_container(edge, site)
    try:
        runner(["docker", "rm", "-f", name])
        done = runner(container_argv(edge, site, root, certbot), timeout=_CERTBOT_SECONDS)
    except (UserError, OSError) as error:
        # Killing `docker run` leaves its container running.
        with contextlib.suppress(UserError, OSError):
            runner(["docker", "rm", "-f", name])
        return Refusal(str(error).rstrip("."))
    return refusal(done.stdout + done.stderr, site.certificate.directory) if done.returncode else None


def deploy(store: Store, stack: str, runner: Run = run) -> bool:
    """Put the certificate that certbot holds for a stack in place: checked, swapped as one, reloaded.

    Raises:
        UserError: It does not fit its key, or nginx refuses it; the former one keeps serving.
    """
    with store.lock():
        state = store.state()
        if state is None or stack not in state.sites:
            return False
        site = state.sites[stack]
        chain_file, key_file = _live(store.root, site, "fullchain"), _live(store.root, site, "privkey")
        if not chain_file.exists() or site.certificate.kind != "acme":
            return False
        chain, key = chain_file.read_bytes(), key_file.read_bytes()
        check_pair(chain, key)
        uncovered = [domain for domain in site.names if not facts(chain).covers(domain)]
        if uncovered:
            # The names have changed meanwhile: serve the placeholder for them until a fitting one is there.
            return False
        engine = EdgeEngine(state.edge, store.root, runner)
        return apply(store, engine, state, {stack: (chain, key)}).changed


def served(edge: Edge, domain: str) -> bytes | None:
    """The certificate in DER that visitors of a name get; None where nobody answers: no matter of certificates."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = (edge.publish[0] if edge.publish else "127.0.0.1", edge.https_port)
    try:
        with (
            socket.create_connection(address, _TLS_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=domain) as connection,
        ):
            return connection.getpeercert(binary_form=True)
    except OSError:
        return None


def _live(root: Path, site: Site, part: str) -> Path:
    return root / "acme" / "live" / site.name / f"{part}.pem"


def _alerts(store: Store, now: datetime) -> list[str]:
    """Certificates that should have been renewed by now, or are not the ones served; also left in the file ALERT."""
    state, rows = store.state(), list[str]()
    if state is None:
        return []
    files = store.files()
    for site in state.sites.values():
        rows += troubles_of(partial(_alert, state.edge, site, files[f"tls/{site.name}.pem"], now), site.name)
    return rows + troubles_of(partial(_leave, store.root / "ALERT", rows))


def _leave(alert: Path, rows: list[str]) -> None:
    if rows:
        write_whole(alert, "".join(f"{row}\n" for row in rows), 0o644)
    else:
        alert.unlink(missing_ok=True)


def _alert(edge: Edge, site: Site, chain: bytes, now: datetime) -> list[str]:
    found, rows = facts(chain), []
    if not found.self_signed and found.life_left(now) < _ALERT_BELOW:
        days = (found.not_after - now).total_seconds() / 86400
        rows.append(f"{site.name}: the certificate ends in {days:.1f} days, on {found.not_after:%Y-%m-%d}.")
    told = served(edge, site.domains[0])
    if told is not None and told != der(chain):
        rows.append(
            f"{site.name}: nginx does not serve the certificate that is in place;"
            f" restart it with: docker restart {container_name(edge)}."
        )
    return rows
