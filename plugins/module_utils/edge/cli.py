# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge's commands on the host: for releases, for systemd, for a person who looks after it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError, troubles_of
from .store import ROOT, Store
from .switch import certificate, known, status, switch


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    store = Store(options.root)
    try:
        if os.geteuid() != 0:
            raise UserError("only root may do this.")
        return _do(options, store)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


def _do(options: argparse.Namespace, store: Store) -> int:
    if options.everywhere:
        return _do_everywhere(options, store)
    if options.command == "status":
        print(json.dumps(status(store, options.stack)))
    elif options.command == "certificate":
        print(json.dumps(certificate(store, options.stack)))
    elif options.command == "to":
        print(json.dumps(switch(store, options.stack, sys.stdin.read())))
    elif options.command == "csp":
        from .violations import report

        print(json.dumps(report(store, known(store, options.stack).sites[options.stack])))
    else:
        return _look_after(options.command, store)
    return 0


def _do_everywhere(options: argparse.Namespace, store: Store) -> int:
    from . import everywhere

    if options.command == "to":
        answer = everywhere.switch(store, options.stack, sys.stdin.read())
    elif options.command in ("status", "certificate"):
        answer = getattr(everywhere, options.command)(store, options.stack)
    else:
        raise UserError(f"--everywhere is for to, status and certificate, not for {options.command}.")
    print(json.dumps(answer))
    return 0


def _look_after(command: str, store: Store) -> int:
    # Here, so that a switch does not wait for what only these need.
    from ..notices.tell import tell_change
    from .brought import bring
    from .everywhere import renew
    from .renewal import maintain
    from .violations import tidy
    from .watch import refresh, watch

    if command == "refresh":
        print(json.dumps({"changed": refresh(store)}))
        return 0
    if command == "inbox":
        from .inbox import answer_all

        answer_all(store)
        return 0
    if command == "watch":
        watch(store, _say)
        return 1  # The engine went away; systemd starts the watcher again.
    # None of these stops another.
    troubles = [
        *troubles_of(lambda: tidy(store)),
        *troubles_of(lambda: maintain(store, _say)),
        *troubles_of(lambda: bring(store, _say)),
        *troubles_of(lambda: renew(store)),
    ]
    tell_change("certificate", "Certificates", troubles)
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    return 1 if troubles else 0


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-switch", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="the edge's directory (%(default)s)")
    parser.add_argument("--everywhere", action="store_true", help="on every edge of the swarm: to, status, certificate")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("status", "which colour of a stack serves, as JSON"),
        ("certificate", "until when a stack's certificate is valid, as JSON"),
        ("to", "send a stack's requests to the colour that standard input names, as JSON"),
        ("csp", "what browsers said that the stack's Content-Security-Policy forbids, as JSON"),
    ):
        commands.add_parser(name, help=text).add_argument("stack")
    commands.add_parser("refresh", help="look where the containers are now")
    commands.add_parser("watch", help="do so whenever one starts")
    commands.add_parser("inbox", help="answer what the swarm asks of this host")
    commands.add_parser("certificates", help="get, renew and put in place certificates")
    return parser
