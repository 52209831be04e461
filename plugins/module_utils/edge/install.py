# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts a stack on the edge, or takes it off: what the module does."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import attempts
from .apply import Applied, apply
from .brought import wanting
from .certificates import facts
from .engine import EdgeEngine, Run, absent, run
from .host import Host, Planned, with_network
from .keypairs import Pair, choose, live_pair, present_pair
from .look import Look
from .model import Edge, State
from .nginx_features import check_features
from .parse import check_beside
from .renewal import wants_issue
from .site import Site
from .store import Store
from .swarm import Swarm
from .switch import script_hashes_of, wants_hashes


@dataclass
class SiteChange:
    changed: bool = False
    certificate_pending: bool = False
    certificate_settled: bool = False
    """Nothing to wait for, and nothing to warn of."""
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def put(
    store: Store,
    edge: Edge,
    site: Site,
    own: Pair | None,
    dns_credentials: str,
    check: bool = False,
    runner: Run = run,
    maintenance: bool | None = None,
    given_up_by: str = "",
) -> SiteChange:
    """Have the edge serve the site; without a word on its maintenance, that stays as it is.

    Args:
        given_up_by: The Compose project whose containers give up the edge's ports, right before it takes them.

    Raises:
        UserError: Something a person has to put right; what served before serves on.
    """
    if check and not shutil.which("docker"):
        # A rehearsal on a bare server: the role that installs the engine was only rehearsed, too.
        runner = absent
    edge = with_network(edge, runner)
    root, host, engine = store.root, Host(edge, store.root, runner), EdgeEngine(edge, store.root, runner)
    with _held(store, check):
        present = store.state() or State(edge)
        former = present.sites.get(site.name)
        site = replace(site, maintenance=bool(former and former.maintenance) if maintenance is None else maintenance)
        check_beside(site, present.sites)
        pair = choose(site, own, live_pair(root, site.name), present_pair(store.files(), site.name))
        look = engine.look(present.aliases())
        running = bool(look.master)
        if not running:
            host.check_ports(given_up_by)
        state = replace(present, edge=edge).with_secret().with_site(site)
        # Before anything is made: what is too much for this nginx is refused.
        check_features(state, engine.features(look.image, fetch=not check))
        planned = [plan for plan in _planned(host, state, site, dns_credentials) if plan.differs()]
        prepared = False if check else host.prepare()
        state = _with_hashes(state, site, former, look)
        applied = apply(store, engine, state, {site.name: pair}, check)
        outcome = _outcome(applied, planned)
        outcome.changed |= prepared or not running
        outcome.certificate_pending = wants_issue(site, root, bool(edge.lead))
        troubled = edge.lead or attempts.load(root, site.name).reason
        outcome.certificate_settled = not (outcome.certificate_pending or troubled)
        if not check:
            _bring_up(host, planned, running, given_up_by)
    if check:
        return outcome
    # The lead of a swarm brings what it has to the others, whoever gave it.
    leads = edge.overlay and not edge.lead
    brings = leads and (applied.changed or wanting(store, edge, site.name, runner))
    _start_units(host, planned, outcome, brings)
    return outcome


def _with_hashes(state: State, site: Site, former: Site | None, look: Look) -> State:
    """What a switch would have looked up, where the setting that asks for it is new."""
    serving = state.serving_of(site.name)
    if not wants_hashes(site) or (former and wants_hashes(former)) or not serving.colour:
        return state
    hashes = script_hashes_of(site, serving, look)
    return state.with_serving(site.name, replace(serving, script_hashes=hashes))


def _held(store: Store, check: bool) -> contextlib.AbstractContextManager[None]:
    """Looking alone leaves no trace, not even a lock's file."""
    return contextlib.nullcontext() if check else store.lock()


def _planned(host: Host, state: State, site: Site, dns_credentials: str) -> list[Planned]:
    plans = host.planned(state.sites.values())
    if site.certificate.dns_plugin:
        plans.append(host.planned_credentials(site.name, dns_credentials))
    return plans


def _outcome(applied: Applied, planned: list[Planned]) -> SiteChange:
    outcome = SiteChange(applied.changed or bool(planned), before=dict(applied.before), after=dict(applied.after))
    for plan in planned:
        # Neither a zip application nor credentials make a diff to read.
        if plan.mode == 0o644:
            outcome.before[str(plan.path)] = plan.path.read_text() if plan.path.exists() else ""
            outcome.after[str(plan.path)] = plan.content.decode()
    return outcome


def _bring_up(host: Host, planned: list[Planned], running: bool, given_up_by: str = "") -> None:
    for plan in planned:
        plan.write()
    if not running or any(plan.path.name == "compose.yml" for plan in planned):
        host.up(given_up_by)


def _start_units(host: Host, planned: list[Planned], outcome: SiteChange, brings: bool) -> None:
    installed = any(plan.path.suffix in (".service", ".timer") or plan.mode == 0o755 for plan in planned)
    if installed or not host.units_active():
        host.enable_units(installed)
        outcome.changed = True
    if outcome.certificate_pending or brings:
        host.obtain_certificates()


def take_off(store: Store, stack: str, forget: bool = False, check: bool = False, runner: Run = run) -> SiteChange:
    """Have the edge forget a stack; the others serve on.

    Args:
        forget: Its certificate and the credentials for it go as well; else they stay, should it come back.
    """
    with _held(store, check):
        present = store.state()
        left = _of_certbot(store.root, stack) if forget else []
        if present is None or stack not in present.sites:
            outcome = SiteChange(changed=bool(left))
        else:
            engine = EdgeEngine(present.edge, store.root, runner)
            without, host = present.without_site(stack), Host(present.edge, store.root, runner)
            compose = host.planned_compose(without.sites.values())
            planned = [compose] if present.sites[stack].ports and compose.differs() else []
            outcome = _outcome(apply(store, engine, without, check=check), planned)
            outcome.changed |= bool(left)
            if planned and not check:
                _bring_up(host, planned, running=True)
        if outcome.changed and present and present.edge.overlay and not check:
            _forget_jobs(present.edge, store.root, stack, runner)
        for place in left if not check else []:
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        return outcome


def _forget_jobs(edge: Edge, root: Path, stack: str, runner: Run) -> None:
    """Those that stay in the swarm; a worker has no say there."""
    if not edge.lead:
        for verb in ("to", "bring"):
            Swarm(edge, root, runner).tidy(verb, stack)


def _of_certbot(root: Path, stack: str) -> list[Path]:
    """What is there of a stack's certificate; the renewal's settings go first, without which nothing renews it."""
    acme = root / "acme"
    pair = acme / "renewal" / f"{stack}.conf", acme / "live" / stack, acme / "archive" / stack
    beside = root / "dns" / f"{stack}.ini", root / "attempts" / f"{stack}.json", root / "csp" / f"{stack}.json"
    return [place for place in (*pair, *beside) if place.exists()]


def summary(files: Mapping[str, bytes], stack: str) -> dict[str, object]:
    """What the served certificate says."""
    pair = present_pair(files, stack)
    if not pair:
        return {}
    found = facts(pair[0])
    return {
        "names": list(found.names),
        "issuer": found.issuer,
        "not_after": found.not_after.isoformat(),
        "self_signed": found.self_signed,
    }
