# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL: every database and role as SQL, proved in a scratch container, each database swapped in at once."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

from ..errors import StepError
from . import access as a
from . import scram
from .access import Access, Opener
from .kind import Passwords
from .rows import Copied, Counter, Rows, Text

# Backups of version 0.1 hold one database, in this form.
_OLD = "pgdump"
_ROLES = "roles.sql"
_DATABASE = "database-"

# The container knows its own user and database; local connections need no password in the images in use.
_SETTINGS = """\
set -eu
if [ -n "${POSTGRES_USER_FILE:-}" ]; then POSTGRES_USER=$(cat "$POSTGRES_USER_FILE"); fi
if [ -n "${POSTGRES_DB_FILE:-}" ]; then POSTGRES_DB=$(cat "$POSTGRES_DB_FILE"); fi
export PGUSER="${POSTGRES_USER:-postgres}"
main="${POSTGRES_DB:-$PGUSER}"
db="${1:-$main}"
psql() { command psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "$@"; }
"""
_VERSION = _SETTINGS + "psql --dbname=template1 --command='SHOW server_version'"
_READY = _SETTINGS + "exec pg_isready --quiet --host=127.0.0.1"
# The maintenance database counts where somebody put something in it.
_LIST = (
    _SETTINGS
    + """\
psql --dbname=template1 --set=main="$main" <<'SQL'
SELECT datname FROM pg_database
  WHERE datallowconn AND NOT datistemplate AND datname NOT IN ('postgres', :'main') ORDER BY 1;
SQL
if [ "$main" != postgres ] && [ "$(psql --dbname=postgres --command="SELECT count(*) FROM pg_class
  WHERE oid >= 16384" 2>/dev/null || echo 0)" != 0 ]; then echo postgres; fi
printf '%s\\n' "$main"
"""
)
_DUMP_ROLES = (
    _SETTINGS
    + """\
pg_dumpall --roles-only
psql --dbname=template1 --command="SELECT format(
  'CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L;',
  datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
  FROM pg_database WHERE datallowconn AND NOT datistemplate"
psql --dbname=template1 --command="SELECT format(
  'UPDATE pg_database SET datacl = %L::aclitem[] WHERE datacl IS NULL AND datname = %L;', datacl, datname)
  FROM pg_database WHERE datallowconn AND NOT datistemplate" --command="SELECT format(
  'INSERT INTO pg_db_role_setting SELECT oid, %s, %L::text[] FROM pg_database WHERE datname = %L;',
  coalesce('(SELECT oid FROM pg_roles WHERE rolname = ' || quote_literal(rolname) || ')', '0'), setconfig, datname)
  FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole"
"""
)
# Who may connect to a database, and what is set for it. What is set on the server now stays: a second is refused.
_AROUND = ("UPDATE pg_database ", "INSERT INTO pg_db_role_setting ")
_DUMP = _SETTINGS + 'exec pg_dump --format=plain --dbname="$db"'
_KNOWN = (
    _SETTINGS
    + """\
psql --dbname=template1 --command="SELECT 'CREATE ROLE ' || quote_ident(rolname) FROM pg_roles
  UNION ALL SELECT 'ALTER ROLE ' || quote_ident(rolname) FROM pg_roles
  UNION ALL SELECT 'CREATE DATABASE ' || quote_ident(datname) FROM pg_database"
"""
)
_ROLES_IN = _SETTINGS + "exec psql --no-psqlrc --quiet --dbname=template1 >/dev/null"
_MAKE = (
    _SETTINGS
    + """\
psql --dbname=template1 --set=db="$db" --set=as="$db$2" <<'SQL'
SELECT coalesce((SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
  :'as', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
  FROM pg_database WHERE datname = :'db'), format('CREATE DATABASE %I TEMPLATE template0', :'as'))
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'as') \\gexec
SQL
"""
)
_CLEAR = _SETTINGS + 'dropdb --if-exists --force "${db}_restored"'
_LOAD = _SETTINGS + 'psql --single-transaction --output=/dev/null --dbname="$db$2"'
_LOAD_OLD = _SETTINGS + 'exec pg_restore --exit-on-error --dbname="$db$2"'
_LOAD_OLD_PROOF = _SETTINGS + 'exec pg_restore --exit-on-error --no-owner --no-privileges --dbname="$db"'
_READ_OLD = "exec pg_restore --file=/dev/null"
# One transaction, so that an app sees the old or the new; what was set for the database stays with its name.
_SWAP = (
    _SETTINGS
    + """\
psql --dbname=template1 --set=db="$db" <<'SQL' >/dev/null
SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', :'db' || '_replaced')
  WHERE EXISTS (SELECT FROM pg_database WHERE datname = :'db') \\gexec
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'db' AND pid <> pg_backend_pid();
BEGIN;
UPDATE pg_db_role_setting s SET setdatabase = n.oid FROM pg_database o, pg_database n
  WHERE o.datname = :'db' AND n.datname = :'db' || '_restored' AND s.setdatabase = o.oid;
UPDATE pg_database n SET datacl = o.datacl FROM pg_database o
  WHERE o.datname = :'db' AND n.datname = :'db' || '_restored';
SELECT format('ALTER DATABASE %I RENAME TO %I', :'db', :'db' || '_replaced')
  WHERE EXISTS (SELECT FROM pg_database WHERE datname = :'db') \\gexec
SELECT format('ALTER DATABASE %I RENAME TO %I', :'db' || '_restored', :'db') \\gexec
COMMIT;
SELECT format('DROP DATABASE IF EXISTS %I', :'db' || '_replaced') \\gexec
SQL
"""
)
_COUNT = (
    _SETTINGS
    + """\
psql --dbname="$db" --field-separator='	' <<'SQL'
SELECT format('SELECT %L, count(*) FROM ONLY %I.%I', format('%I.%I', n.nspname, c.relname), n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') \\gexec
SQL
"""
)
# Passwords are read and set by the socket, which asks for none, in the form in which the server keeps them.
_PSQL = _SETTINGS + 'psql --dbname="$db"'
_TELL = "SELECT rolpassword FROM pg_authid WHERE rolname = current_user;"


class Scram:
    """The password of the role that the server was made with."""

    variables = ("POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE")
    needs: tuple[str, ...] = ()

    def kept(self, access: Access, container: str) -> str:
        try:
            return a.ask(access, container, _PSQL, given=_TELL).strip()
        except StepError as trouble:
            raise StepError(f"the database does not tell whether its password is current: {trouble}")

    def keep(self, access: Access, container: str, kept: str) -> None:
        value = "'" + kept.replace("'", "''") + "'" if kept else "NULL"
        try:
            a.ask(access, container, _PSQL, given=f"ALTER ROLE CURRENT_USER PASSWORD {value};")
        except StepError as trouble:
            raise StepError(f"the database's password cannot be changed: {trouble}")

    def made(self, password: str) -> str:
        return scram.verifier(password)

    def matches(self, kept: str, password: str) -> bool:
        return scram.matches(kept, password)


class Postgres:
    name = "postgres"
    passwords: Passwords | None = Scram()

    def version(self, access: Access, container: str) -> str:
        return a.ask(access, container, _VERSION).strip()

    def parts(self, access: Access, container: str) -> list[str]:
        try:
            names = a.ask(access, container, _LIST).splitlines()
        except StepError as trouble:
            raise StepError(f"the databases cannot be listed: {trouble}")
        return [_ROLES, *(f"{_DATABASE}{quote(name, safe='')}.sql" for name in names)]

    def counter(self, part: str) -> Counter:
        if part == _OLD:
            return Counter()
        return Text(b"CREATE DATABASE ") if part == _ROLES else Copied(_database(part))

    def dump(self, access: Access, container: str, part: str, stdout: Opener) -> Rows:
        script = _DUMP_ROLES if part == _ROLES else _DUMP
        status, said = a.execute(access, container, script, _database(part), stdout=stdout)
        if status:
            raise StepError(f"{_named(part)} cannot be dumped: {a.complaint(access, status, said)}")
        return {}

    def prove(self, access: Access, image: str, parts: Mapping[str, Opener]) -> Rows:
        rows: Rows = {}
        # No network reaches it: the password keeps images content that insist on one.
        environment = {"POSTGRES_PASSWORD": "scratch", "POSTGRES_HOST_AUTH_METHOD": "trust"}
        with a.scratch(access, image, environment, _READY) as name:
            self._roles(access, name, parts)
            for part, opener in _databases(parts):
                if part != _OLD:
                    _do(access, name, _MAKE, _database(part), "")
                loader = _LOAD_OLD_PROOF if part == _OLD else _LOAD
                status, said = a.execute(access, name, loader, _database(part), "", stdin=opener)
                if status:
                    reason = a.complaint(access, status, said)
                    raise StepError(f"the dump does not restore into a scratch container: {reason}")
                told = a.ask(access, name, _COUNT, _database(part)).splitlines()
                counted = (line.rpartition("\t") for line in told)
                rows |= {f"{_database(part)}.{table}": int(n) for table, _, n in counted}
        return rows

    def restore(self, access: Access, container: str, parts: Mapping[str, Opener]) -> None:
        try:
            self._roles(access, container, parts)
            for part, opener in _databases(parts):
                for script in (_CLEAR, _MAKE):
                    _do(access, container, script, _database(part), "_restored")
                loader = _LOAD_OLD if part == _OLD else _LOAD
                _do(access, container, loader, _database(part), "_restored", stdin=opener)
            for part, _ in _databases(parts):
                _do(access, container, _SWAP, _database(part))
            self._roles(access, container, parts, around=True)
        except StepError as trouble:
            raise StepError(f"the database cannot be restored: {trouble}")

    def _roles(self, access: Access, container: str, parts: Mapping[str, Opener], around: bool = False) -> None:
        """Roles and databases that are not there yet; those that are keep their passwords, which are the vault's.

        Args:
            around: What is set for databases instead, which may be in the way of loading them.
        """
        if _ROLES not in parts:
            return
        known = a.ask(access, container, _KNOWN).splitlines()
        starts = tuple(f"{statement}{end}" for statement in known for end in (";", " "))
        lines = a.text_of(parts[_ROLES]).splitlines()
        wanted = "\n".join(line for line in lines if not line.startswith(starts) and line.startswith(_AROUND) == around)
        _do(access, container, _ROLES_IN, stdin=a.text_stream(wanted + "\n"))


def readable(access: Access, container: str, archive: Opener) -> str:
    """Why a dump of version 0.1 cannot be read to its end; empty for one that can."""
    return a.complaint(access, *a.execute(access, container, _READ_OLD, stdin=archive))


def _do(access: Access, container: str, script: str, *arguments: str, stdin: Opener | None = None) -> None:
    status, said = a.execute(access, container, script, *arguments, stdin=stdin)
    if status:
        raise StepError(a.complaint(access, status, said))


def _databases(parts: Mapping[str, Opener]) -> list[tuple[str, Opener]]:
    return [(part, opener) for part, opener in parts.items() if part != _ROLES]


def _database(part: str) -> str:
    """The database of a part; empty for the one that the container was made with."""
    return unquote(part[len(_DATABASE) : -len(".sql")]) if part.startswith(_DATABASE) else ""


def _named(part: str) -> str:
    return f"database {_database(part)}" if _database(part) else "the list of roles"
