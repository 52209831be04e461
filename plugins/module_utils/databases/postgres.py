# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL in a container: dumped as a stream, proved in a scratch container, swapped in at once."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO

from ..errors import StepError
from .access import Access

_SCRATCH_START = 60
# Docker's status for a command that it failed to start, as an engine under load does now and then.
_NOT_STARTED = 128

# The container knows its own user and database; local connections need no password in the images in use.
_SETTINGS = """\
set -eu
if [ -n "${POSTGRES_USER_FILE:-}" ]; then POSTGRES_USER=$(cat "$POSTGRES_USER_FILE"); fi
if [ -n "${POSTGRES_DB_FILE:-}" ]; then POSTGRES_DB=$(cat "$POSTGRES_DB_FILE"); fi
export PGUSER="${POSTGRES_USER:-postgres}"
db="${POSTGRES_DB:-$PGUSER}"
"""
_DUMP = 'exec pg_dump --format=custom --dbname="$db"'
_READ = "exec pg_restore --file=/dev/null"
_RESTORE_SCRATCH = 'exec pg_restore --exit-on-error --no-owner --no-privileges --dbname="$db"'
# Into a database beside the live one; the swap is one transaction, so that an app sees the old or the new.
_SWAP = """\
dropdb --if-exists --force "${db}_restored"
createdb --template=template0 "${db}_restored"
pg_restore --exit-on-error --dbname="${db}_restored"
psql --quiet --set=ON_ERROR_STOP=1 --dbname=template1 --set=db="$db" <<'SQL' >/dev/null
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'db' AND pid <> pg_backend_pid();
BEGIN;
SELECT format('ALTER DATABASE %I RENAME TO %I', :'db', :'db' || '_replaced') \\gexec
SELECT format('ALTER DATABASE %I RENAME TO %I', :'db' || '_restored', :'db') \\gexec
COMMIT;
SELECT format('DROP DATABASE %I', :'db' || '_replaced') \\gexec
SQL
"""
# Passwords are read and set by the socket, which asks for none, in the form in which the server keeps them.
_PSQL = 'exec psql --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --dbname="$db"'
_TELL = "SELECT rolpassword FROM pg_authid WHERE rolname = current_user;"


def verifier(run: Access, container: str) -> str:
    """What the server keeps of the password of the role that it was made with; empty for none.

    Raises:
        StepError: It does not tell.
    """
    with tempfile.TemporaryFile() as said:
        trouble = _sql(run, container, _TELL, stdout=said)
        if trouble:
            raise StepError(f"the database does not tell whether its password is current: {trouble}")
        said.seek(0)
        return said.read().decode().strip()


def set_verifier(run: Access, container: str, kept: str) -> None:
    """Have the server keep this of the role's password; empty for none.

    Raises:
        StepError: It refuses.
    """
    value = "'" + kept.replace("'", "''") + "'" if kept else "NULL"
    trouble = _sql(run, container, f"ALTER ROLE CURRENT_USER PASSWORD {value};")
    if trouble:
        raise StepError(f"the database's password cannot be changed: {trouble}")


def dump(run: Access, container: str, target: Path) -> None:
    """A compressed dump, mode 0600, read back to its end.

    Raises:
        StepError: It failed or cannot be read; the file is gone again.
    """
    target.touch(mode=0o600)
    with target.open("wb") as stream:
        said = _execute(run, container, _DUMP, stdout=stream)
    if not said:
        said = readable(run, container, target)
    if said:
        target.unlink()
        raise StepError(f"the database cannot be dumped: {said}")


def readable(run: Access, container: str, archive: Path) -> str:
    """Why a dump cannot be read to its end; empty for one that can."""
    if archive.stat().st_size == 0:
        return "the archive is empty"
    with archive.open("rb") as stream:
        return _execute(run, container, _READ, stdin=stream)


def prove(run: Access, image: str, archive: Path) -> None:
    """Restore into a scratch container of the same image.

    Raises:
        StepError: The dump does not restore; nothing that runs was touched.
    """
    name = f"{run.stack.name}-restore-scratch"
    run.engine.discard(name)
    # No network reaches it: the password keeps images content that insist on one.
    environment = {"POSTGRES_PASSWORD": "scratch", "POSTGRES_HOST_AUTH_METHOD": "trust"}
    run.engine.start_scratch(name, image, environment)
    try:
        _wait_ready(run, name)
        with archive.open("rb") as stream:
            said = _execute(run, name, _RESTORE_SCRATCH, stdin=stream)
        if said:
            raise StepError(f"the dump does not restore into a scratch container: {said}")
    finally:
        run.engine.discard(name)


def swap_in(run: Access, container: str, archive: Path) -> None:
    """Restore beside the live database, then exchange the two.

    Raises:
        StepError: It failed before the exchange; the live database is as it was.
    """
    with archive.open("rb") as stream:
        said = _execute(run, container, _SWAP, stdin=stream)
    if said:
        raise StepError(f"the database cannot be restored: {said}; it is as it was")


def _sql(run: Access, container: str, statement: str, **streams: BinaryIO) -> str:
    """Like `_execute`; the statement stands on no command line and in no file that has a name."""
    with tempfile.TemporaryFile() as script:
        script.write(statement.encode())
        script.seek(0)
        return _execute(run, container, _PSQL, stdin=script, **streams)


def _wait_ready(run: Access, container: str) -> None:
    # Over TCP: the server that an entry point starts for its set-up listens on the socket alone.
    begin = run.clock()
    while _execute(run, container, "exec pg_isready --quiet --host=127.0.0.1"):
        if run.clock() - begin > _SCRATCH_START:
            raise StepError(f"the scratch container {container} was not ready after {_SCRATCH_START} s")
        run.sleep(0.3)


def _execute(run: Access, container: str, script: str, **streams: BinaryIO) -> str:
    """Run a script in the container, between files; what it complained of, empty when it succeeded."""
    with tempfile.TemporaryFile() as errors:
        status = run.engine.execute(container, ["sh", "-c", _SETTINGS + script], stderr=errors, **streams)
        if status == _NOT_STARTED:
            for name, stream in {"stderr": errors, **streams}.items():
                stream.seek(0)
                if name != "stdin":
                    stream.truncate()
            status = run.engine.execute(container, ["sh", "-c", _SETTINGS + script], stderr=errors, **streams)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if not status:
        return ""
    return run.redact((said.splitlines() or [f"exit status {status}"])[-1])
