"""Asks the judges, who live in an image of their own, which is built on demand and costs a second afterwards."""

from __future__ import annotations

import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
IMAGE = "local/sluice-judges"
_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
OBSERVATORY = ("node", "node_modules/@mdn/mdn-http-observatory/src/scan.js")


def build() -> None:
    """Make the image.

    Raises:
        RuntimeError: It could not be built; with the end of what the build said.
    """
    secret = [f"--secret=id=ca,src={_CA_BUNDLE}"] if pathlib.Path(_CA_BUNDLE).exists() else []
    argv = ["docker", "buildx", "build", "--progress=plain", "--load", "--provenance=false", *secret, "-t", IMAGE, HERE]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the judges' image could not be built:\n{done.stderr[-3000:]}")


class Judges:
    """Judges of a site that is reached under its name at an address of this machine's."""

    def __init__(self, name: str, address: str, roots: pathlib.Path) -> None:
        build()
        self._name, self._address, self._roots = name, address, roots

    def ask(
        self, *argv: str, folder: pathlib.Path | None = None, seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the image; `folder` lies at /site there, the root certificates at /roots.pem."""
        mounts = [f"--volume={self._roots}:/roots.pem:ro"] + ([f"--volume={folder}:/site:ro"] if folder else [])
        docker = ["docker", "run", "--rm", "--network=host", f"--add-host={self._name}:{self._address}"]
        # The Observatory gives up after 9 s, and Node alone may take those to start on a busy machine.
        environment = [
            "--env=NODE_EXTRA_CA_CERTS=/roots.pem",
            "--env=ABORT_TIMEOUT=60000",
            "--env=CLIENT_TIMEOUT=60000",
        ]
        return subprocess.run(
            [*docker, *mounts, *environment, IMAGE, *argv], capture_output=True, text=True, check=False, timeout=seconds
        )
