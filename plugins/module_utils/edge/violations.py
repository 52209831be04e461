# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What browsers said that a site's Content-Security-Policy forbids, and what would allow it.

nginx appends to a file of its own; twice a day it is emptied into a summary of at most so many rows.
"""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..files import write_whole
from . import attempts, csp
from .site import Site
from .store import Store

Violation = tuple[str, str, str]
"""Page, directive, and what was blocked."""

_MOST_ROWS = 200
# By what nginx's limits let in, no file gets this long between two runs of the timer.
_MOST_BYTES = 16 * 1024 * 1024
# As long without a violation, and enforcing the policy is taken to be safe.
_QUIET = timedelta(days=7)

_SOURCES = {
    "inline": "'unsafe-inline'",
    "eval": "'unsafe-eval'",
    "wasm-eval": "'wasm-unsafe-eval'",
    "data": "data:",
    "blob": "blob:",
}
# Directives that stand in for others, nearest first.
_FALLBACKS = {
    "script-src-elem": ("script-src", "default-src"),
    "script-src-attr": ("script-src", "default-src"),
    "style-src-elem": ("style-src", "default-src"),
    "style-src-attr": ("style-src", "default-src"),
    "worker-src": ("child-src", "script-src", "default-src"),
    "frame-src": ("child-src", "default-src"),
}


@dataclass(frozen=True)
class Summary:
    """Of one policy."""

    policy: str = ""
    since: str = ""
    counts: dict[Violation, int] = field(default_factory=dict)

    def to_json(self) -> str:
        rows = [[*violation, count] for violation, count in self.counts.items()]
        return json.dumps({"policy": self.policy, "since": self.since, "counts": rows})


def report(store: Store, site: Site) -> dict[str, Any]:
    """What is known by now; changes nothing."""
    if not csp.collects(site):
        return {"mode": site.csp_mode if site.csp else "app", "collects": False}
    now = attempts.now()
    summary = _merged(_load(store.root, site), site, _read(store.root, site), now)
    since = datetime.fromisoformat(summary.since)
    ranked = sorted(summary.counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "mode": site.csp_mode,
        "collects": True,
        "days": (now - since) // timedelta(days=1),
        "safe": not ranked and now - since >= _QUIET,
        "violations": [
            {"page": page, "directive": directive, "blocked": blocked, "count": count}
            for (page, directive, blocked), count in ranked
        ],
        "allow": allowing(site.csp, summary.counts),
    }


def tidy(store: Store) -> None:
    """Empty nginx's files into the summaries."""
    state = store.state()
    for site in state.sites.values() if state else ():
        if csp.collects(site):
            lines = _read(store.root, site, empty=True)
            path = _path(store.root, site)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(path, _merged(_load(store.root, site), site, lines, attempts.now()).to_json())


def allowing(policy: str, violations: Iterable[Violation]) -> list[str]:
    """The directives, each as it would have to be for none of these to be forbidden."""
    known: dict[str, str] = {}
    for text in filter(None, (t.strip() for t in policy.split(";"))):
        known.setdefault(text.split()[0].lower(), text)
    changed: dict[str, str] = {}
    for _, directive, blocked in sorted(violations):
        source = _SOURCES.get(blocked, blocked)
        ruling = next((d for d in (directive, *_FALLBACKS.get(directive, ("default-src",))) if d in known), "")
        name = directive if ruling in ("", "default-src") else ruling
        present = known.get(ruling, "").split()[1:]
        if directive.endswith("-attr") and ruling != directive:
            # An attribute's script must not open the door for every script of a page.
            name, present = directive, []
        sources = changed.get(name, "").split()[1:] or [s for s in present if s.lower() != "'none'"]
        changed[name] = " ".join([name, *dict.fromkeys([*sources, source])])
    return list(changed.values())


def _merged(summary: Summary, site: Site, lines: list[str], now: datetime) -> Summary:
    policy = csp.policy_id(site)
    if summary.policy != policy:
        summary = Summary(policy, now.isoformat())
    counts = Counter(summary.counts)
    for line in lines:
        try:
            row = json.loads(line)
            if row["policy"] == policy:
                counts[str(row["page"]), str(row["directive"]), str(row["blocked"])] += 1
        except (ValueError, KeyError, TypeError):
            # The last line may be half written.
            continue
    return Summary(policy, summary.since, dict(counts.most_common(_MOST_ROWS)))


def _read(root: Path, site: Site, empty: bool = False) -> list[str]:
    """nginx's lines. The directory is nginx's own, so what lies there is not trusted to be a plain file."""
    try:
        handle = os.open(root / "cache" / f"csp.{site.name}.log", os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return []
    with os.fdopen(handle, "rb+", buffering=0) as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return []
        content = file.read(_MOST_BYTES) or b""
        if empty:
            file.truncate(0)
    return content.decode(errors="replace").splitlines()


def _load(root: Path, site: Site) -> Summary:
    try:
        data = json.loads(_path(root, site).read_text())
        datetime.fromisoformat(data["since"])
        counts = {(str(p), str(d), str(b)): int(count) for p, d, b, count in data["counts"]}
        return Summary(str(data["policy"]), data["since"], counts)
    except (OSError, ValueError, KeyError, TypeError):
        return Summary()


def _path(root: Path, site: Site) -> Path:
    return root / "csp" / f"{site.name}.json"
