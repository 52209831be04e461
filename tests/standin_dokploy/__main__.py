# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the stand-in until it is ended."""

from __future__ import annotations

import argparse
from pathlib import Path

from .engine import DockerEngine
from .server import Standin


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for a Dokploy server, for tests.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--directory", type=Path, required=True, help="where sources are put")
    parser.add_argument("--routes", type=Path, help="nginx's file of routes, in place of Traefik")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    engine = DockerEngine(arguments.routes)
    standin = Standin(arguments.directory, engine, port=arguments.port, host=arguments.host)
    print(f"listening on {standin.url}", flush=True)
    standin.http.serve_forever()


if __name__ == "__main__":
    main()
