# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One request to every edge of a swarm, and the command that makes the swarm's job of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .inbox import FOLDER
from .model import Edge

LABEL = "sluice.edge"
_SECRET = "/run/secrets/request"
_SCRIPT = f"""\
umask 077
name=/inbox/$(cat /proc/sys/kernel/random/uuid)
trap 'rm -f "$name".*' EXIT
trap 'exit 1' TERM INT
if [ -e {_SECRET} ]; then cat {_SECRET}; else printf %s "$REQUEST"; fi >"$name.new" && mv "$name.new" "$name.request"
turns=0
while [ "$turns" -lt 900 ]; do
  for kind in answer refusal; do
    if [ -e "$name.$kind" ]; then
      printf '%s %s\\n' "$NODE" "$(cat "$name.$kind")"
      [ "$kind" = answer ]
      exit
    fi
  done
  sleep 0.05
  turns=$((turns + 1))
done
printf '%s the edge does not answer (systemctl status sluice-edge-inbox.path)\\n' "$NODE"
exit 1
"""


@dataclass(frozen=True)
class Job:
    """One request.

    Two of the same verb and stack that stay replace each other; the higher number is the later one.
    """

    verb: str
    stack: str
    number: int = 0
    body: str = ""
    stays: bool = False
    digest: str = ""
    """By which a job that stays is known again."""
    secret: bool = False
    """Whether it travels as a secret of the swarm."""
    patient: bool = False
    """Whether a node may fail first: it tries on, if the job stays."""

    def request(self) -> str:
        return json.dumps({"verb": self.verb, "stack": self.stack, "number": self.number, "body": self.body})


def job_name(edge: Edge, verb: str, number: int) -> str:
    return f"{edge.project}-{verb}-{number:x}"


def number_of(name: str) -> int:
    return int(name.rpartition("-")[2], 16)


def labels(job: Job) -> list[str]:
    """By which the swarm finds it."""
    digest = [f"deploy.sluice.digest={job.digest}"] if job.digest else []
    return [f"deploy.sluice.edge={job.verb}", f"deploy.sluice.stack={job.stack}", *digest]


def job_argv(job: Job, edge: Edge, root: Path, image: str) -> list[str]:
    """What docker is told: the container sees nothing of its host but the inbox."""
    name, user = job_name(edge, job.verb, job.number), f"{edge.uid}:{edge.uid}"
    restart = ["--restart-condition=none"]
    if job.stays:
        restart = ["--restart-condition=on-failure", "--restart-delay=5s"]
    brought = f"--env=REQUEST={job.request()}"
    if job.secret:
        brought = f"--secret=source={name},target=request,uid={edge.uid},gid={edge.uid},mode=0400"
    return [
        *("service", "create", "--quiet", "--detach", f"--name={name}", "--mode=global-job", *restart),
        *(f"--label={label}" for label in labels(job)),
        *(f"--constraint=node.labels.{LABEL}==true", "--no-resolve-image", "--log-driver=json-file"),
        *("--cap-drop=ALL", "--read-only", f"--user={user}", "--stop-signal=TERM"),
        *(f"--mount=type=bind,src={root}/{FOLDER},dst=/inbox", "--env=NODE={{.Node.ID}}", brought),
        *("--entrypoint=sh", image, "-c", _SCRIPT),
    ]
