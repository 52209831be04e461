# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image is built from: a directory of the server, or a repository that is checked out there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import StepError
from ..stack import Build, Service
from .run import Run

_GIT_TIMEOUT = 600
_SSH = "ssh"
# A submodule may not be copied from a directory of the server, whatever the server's own settings say.
_NO_FILES = ("-c", "protocol.file.allow=never")
_ACCOUNT = re.compile(r"(?<=://)[^/\s]*@|[^/\s'\"]+:[^/\s'\"]+@")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")


def source_directory(run: Run, build: Build) -> Path:
    """Where a build's context lies on the server."""
    if not build.git:
        return Path(build.context)
    place = run.state.sources / hashlib.sha256(f"{build.git} {build.ref}".encode()).hexdigest()[:12]
    return place / build.context


def stays_within(root: Path, place: Path, where: str) -> None:
    """A repository may hold links; none of them leads a build, or what is written for one, out of its checkout."""
    if not place.resolve().is_relative_to(root.resolve()):
        raise StepError(
            f"{where}: {place.relative_to(root)} leads out of the checked-out repository",
            advice="Name a place within the repository that is no link to elsewhere.",
        )


def checkout(run: Run, service: Service, build: Build) -> Path:
    """The directory to build from, with the repository's files as they are at its ref.

    Raises:
        StepError: The repository, or a part of it, cannot be fetched.
    """
    context = source_directory(run, build)
    if not build.git:
        return context
    where = f"stack_services.{service.name}.build.git"
    place = run.state.sources / context.relative_to(run.state.sources).parts[0]
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    fetch(where, place, build, run.secrets)
    return context


def fetch(where: str, place: Path, build: Build, secrets: Mapping[str, str]) -> None:
    """A repository's files as they are at its ref, in a directory that is there.

    Args:
        where: The setting, for messages.

    Raises:
        StepError: The repository, or a part of it, cannot be fetched.
    """
    with _identity(build, secrets) as ssh:
        for argv in (
            ["init", "--quiet"],
            ["fetch", "--quiet", "--depth", "1", "--force", build.git, build.ref or "HEAD"],
            ["checkout", "--quiet", "--force", "FETCH_HEAD"],
            ["clean", "--quiet", "-ffdx"],
        ):
            _git(where, place, argv, ssh)
        if (place / ".gitmodules").is_file():
            _submodules(where, place, build.git, ssh)


@contextlib.contextmanager
def _identity(build: Build, secrets: Mapping[str, str]) -> Iterator[str]:
    """The command by which git reaches an SSH server, with the key of the vault where the build names one.

    The key lies in memory alone, in a file without a name: it is gone with this process, whatever ends it.
    """
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no"]
    with contextlib.ExitStack() as held:
        if build.key:
            options += ["IdentitiesOnly=yes", "IdentityAgent=none"]
            options.append(f"IdentityFile={_in_memory(held, secrets[build.key])}")
        if build.known_hosts:
            options.append(f"UserKnownHostsFile={_in_memory(held, build.known_hosts)}")
        yield " ".join([_SSH, *(f"-o {option}" for option in options)])


def _in_memory(held: contextlib.ExitStack, content: str) -> str:
    descriptor = os.memfd_create("sluice", os.MFD_CLOEXEC)
    held.callback(os.close, descriptor)
    # SSH takes no key that others can read.
    os.fchmod(descriptor, 0o600)
    # Nor one whose last line does not end.
    os.write(descriptor, (content.rstrip() + "\n").encode())
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _submodules(where: str, place: Path, address: str, ssh: str) -> None:
    """What the repository names as parts of it comes too; a build without them would find empty directories."""
    try:
        # Their addresses are the repository's word: none of them may name a place on the server.
        for argv in (
            # Theirs may be relative to the repository's.
            ["config", "remote.origin.url", address],
            ["submodule", "--quiet", "sync", "--recursive"],
            ["submodule", "--quiet", "update", "--init", "--recursive", "--force", "--depth", "1"],
            ["submodule", "--quiet", "foreach", "--recursive", "git clean --quiet -ffdx"],
        ):
            _git(where, place, argv, ssh)
    except StepError as error:
        raise StepError(
            error.cause,
            advice="Each address in the repository's .gitmodules must be one that the server can fetch, such as"
            " https://host/part.git; a path of the server's own is none.",
        )


def _git(where: str, place: Path, argv: list[str], ssh: str) -> None:
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *(_NO_FILES if argv[0] == "submodule" else ()), *argv],
            env={
                "PATH": "/usr/bin:/bin:/usr/local/bin",
                "HOME": str(Path.home()),
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_SSH_COMMAND": ssh,
                "LC_ALL": "C",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise StepError(f"{where}: git {argv[0]} did not end within {_GIT_TIMEOUT} s")
    except OSError as error:
        raise StepError(f"{where}: git does not run: {error}", advice="Install git there.")
    if done.returncode:
        raise StepError(
            f"{where}: git {argv[0]} failed: {_reason(done.stderr)}", advice=_advice(where, argv, done.stderr)
        )


def _advice(where: str, argv: list[str], said: str) -> str:
    beside = where.removesuffix(".git")
    if "Host key verification failed" in said:
        return f"Put the lines that ssh-keyscan HOST prints, once they are checked, into {beside}.known_hosts."
    if "Permission denied (publickey" in said:
        return (
            f"Name under {beside}.key the key of stack_secrets whose public half the repository has as a deploy key;"
            " it must be without a passphrase."
        )
    if argv[0] == "fetch" and _SHORT_COMMIT.fullmatch(argv[-1]):
        return f"{argv[-1]} looks like a shortened commit id: give all 40 characters, or a branch or tag."
    return ""


def _reason(text: str) -> str:
    """What git calls fatal, each word once, and what SSH said before; a repository's addresses may hold passwords."""
    lines = text.splitlines()
    ssh = [line for line in lines if "Permission denied" in line or "Host key verification failed" in line]
    fatal = dict.fromkeys([*ssh, *(line for line in lines if line.startswith("fatal: "))])
    return _ACCOUNT.sub("", "; ".join(fatal) or (text.strip().splitlines() or ["no reason given"])[-1])
