# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the host is kept up: logins, updates, clock, a reboot that is due, the age of images."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from ..docker.containers import Container
from ..errors import UserError
from ..results import GateResult, gate_result
from ..sizes import format_size
from . import facts
from .host import told_age

_SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
# Reproducible builds have dates from before there were containers.
_NO_DATE = datetime(2013, 1, 1, tzinfo=timezone.utc)


def look(root: Path = Path("/")) -> list[GateResult]:
    """What the host says of itself; what it cannot say is skipped, with the reason."""
    return [_ssh(), _updates(), _reboot(root), _clock(root), _swap(root)]


def _ssh() -> GateResult:
    sshd = shutil.which("sshd", path=_SBIN)
    if not sshd:
        return _untold("host.ssh", "Logins over SSH", "there is no sshd on this host")
    try:
        told = facts.run([sshd, "-T"])
    except UserError as error:
        return _untold("host.ssh", "Logins over SSH", str(error))
    return judge_ssh(dict(line.partition(" ")[::2] for line in told.lower().splitlines()))


def judge_ssh(settings: Mapping[str, str]) -> GateResult:
    """Advice and no verdict: who logs in with a long password of its own is not in danger."""
    asked = settings.get("kbdinteractiveauthentication", settings.get("challengeresponseauthentication"))
    passwords = settings.get("passwordauthentication") == "yes" or (asked == "yes" and settings.get("usepam") == "yes")
    advice = ["with PasswordAuthentication no and KbdInteractiveAuthentication no in sshd_config, guessing is in vain"]
    return gate_result(
        "host.ssh",
        "Logins over SSH",
        "pass",
        measured="keys and passwords" if passwords else "keys",
        limit="keys (advice)",
        advice=advice if passwords else [],
    )


def _updates() -> GateResult:
    apt = shutil.which("apt-config", path=_SBIN)
    if not apt:
        return _untold("host.updates", "Security updates", "there is no apt on this host")
    try:
        told = facts.run([apt, "dump", "APT::Periodic"])
    except UserError as error:
        return _untold("host.updates", "Security updates", str(error))
    return judge_updates(told, bool(shutil.which("unattended-upgrade", path=_SBIN)))


def judge_updates(told: str, installed: bool) -> GateResult:
    """Advice and no verdict, by what `apt-config dump` tells."""
    due = re.search(r'^APT::Periodic::Unattended-Upgrade "([^"]*)";$', told, re.MULTILINE)
    on = installed and bool(due) and due[1] not in ("", "0") if due else False
    advice = ["apt install unattended-upgrades, and dpkg-reconfigure --priority=low unattended-upgrades"]
    return gate_result(
        "host.updates",
        "Security updates",
        "pass",
        measured="by themselves" if on else "by hand",
        limit="by themselves (advice)",
        advice=[] if on else advice,
    )


def _reboot(root: Path) -> GateResult:
    title = "No reboot is pending"
    if (root / "run/systemd/container").exists():
        return _untold("host.reboot", title, "a container has no kernel of its own")
    kernels = [path.name.removeprefix("vmlinuz-") for path in (root / "boot").glob("vmlinuz-*")]
    note = root / "run/reboot-required"
    try:
        packages = (root / "run/reboot-required.pkgs").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        packages = []
    return judge_reboot(note.exists(), packages, kernels, os.uname().release)


def judge_reboot(noted: bool, packages: Sequence[str], kernels: Sequence[str], running: str) -> GateResult:
    """By the note that packages leave, and by the newest kernel of the kind that runs."""
    title = "No reboot is pending"
    alike = [kernel for kernel in kernels if _flavour(kernel) == _flavour(running)]
    newest = max(alike, key=_version, default="")
    newer = bool(newest) and _version(newest) > _version(running)
    if not noted and not alike:
        return _untold("host.reboot", title, "neither a note in /run nor a kernel in /boot tells")
    evidence = [f"{running} runs, {newest} is installed"] if newer else []
    evidence += [f"asked for by {', '.join(sorted(set(packages))[:10])}"] if packages else []
    return gate_result(
        "host.reboot",
        title,
        "warn" if noted or newer else "pass",
        measured="pending" if noted or newer else "none",
        limit="none",
        evidence=evidence,
        advice=["reboot the host; the stacks come back by themselves"] if noted or newer else [],
    )


def _flavour(kernel: str) -> str:
    return kernel.rpartition("-")[2]


def _version(kernel: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]{1,9}", kernel)]


def _clock(root: Path) -> GateResult:
    title = "The host's clock is kept right"
    if any((root / mark).exists() for mark in ("run/systemd/container", ".dockerenv")):
        return _untold("host.clock", title, "a container has the clock of its machine")
    try:
        told = facts.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).strip()
    except UserError as error:
        return _untold("host.clock", title, str(error))
    if told not in ("yes", "no"):
        return _untold("host.clock", title, "timedatectl does not tell")
    return gate_result(
        "host.clock",
        title,
        "pass" if told == "yes" else "warn",
        measured="synchronized" if told == "yes" else "not synchronized",
        limit="synchronized",
        advice=[] if told == "yes" else ["timedatectl set-ntp true, or see what systemd-timesyncd or chrony says"],
    )


def _swap(root: Path) -> GateResult:
    try:
        told = (root / "proc/meminfo").read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        return _untold("host.swap", "Swap", str(error))
    return judge_swap({key: int(value.split()[0]) * 1024 for key, value in re.findall(r"(?m)^(\w+):\s+(.+)$", told)})


def judge_swap(sizes: Mapping[str, int]) -> GateResult:
    """Advice and no verdict, by the sizes of `/proc/meminfo` in bytes: a database may well want none."""
    swap, memory = sizes.get("SwapTotal", 0), sizes.get("MemTotal", 0)
    advice = [f"with a swap file, a host of {format_size(memory)} outlives a peak that would end a container"]
    return gate_result(
        "host.swap",
        "Swap",
        "pass",
        measured=format_size(swap) if swap else "none",
        limit="some below 4 GB of memory (advice)",
        advice=advice if not swap and memory < 4 * 10**9 else [],
    )


def judge_images(made: Mapping[str, str], most: int, now: float | None = None) -> GateResult:
    """The age of images, each by its name with the moment of its build; most in seconds."""
    title = "Age of the images"
    now = time.time() if now is None else now
    ages: dict[str, float] = {}
    for name, moment in made.items():
        built = _moment(moment)
        if built and built > _NO_DATE:
            ages[name] = now - built.timestamp()
    if not ages:
        return _untold("host.image_age", title, "no image tells when it was made")
    old = [f"{name}: {told_age(age)}" for name, age in sorted(ages.items(), key=lambda item: -item[1]) if age > most]
    unknown = [f"{name} does not tell when it was made" for name in made if name not in ages]
    return gate_result(
        "host.image_age",
        title,
        "warn" if old else "pass",
        measured=f"{told_age(max(ages.values()))} at most",
        limit=f"{told_age(most)} at most",
        evidence=[*old, *unknown],
        advice=["build or pull anew, so that the base image's security updates arrive"] if old else [],
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def images_of(containers: Iterable[Container]) -> dict[str, str]:
    """When the images of these containers were made, by their services' names.

    Raises:
        UserError: The engine does not answer.
    """
    wanted = {container.image: container.service or container.name for container in containers if container.image}
    return {wanted[image]: moment for image, moment in facts.image_times(list(wanted)).items() if image in wanted}


def _untold(id: str, title: str, why: str) -> GateResult:
    return gate_result(id, title, "skip", evidence=[why])
