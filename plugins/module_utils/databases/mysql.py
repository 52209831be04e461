# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MySQL and MariaDB: all databases of one moment as SQL, users and their rights beside them."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import StepError
from . import access as a
from . import native, sha2
from .access import Access, Opener
from .kind import Passwords
from .rows import Counter, Inserted, Rows

_USERS, _ALL = "users.sql", "all.sql"
_SYSTEM = "('information_schema', 'performance_schema', 'sys', 'mysql')"

# The container knows root's password; the client takes it from its environment, where no process list shows it.
_SETTINGS = """\
set -eu
for name in MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD; do
  eval "value=\\${$name:-} file=\\${${name}_FILE:-}"
  if [ -n "$file" ]; then value=$(cat "$file"); fi
  if [ -n "$value" ]; then export MYSQL_PWD="$value"; fi
done
first() { for tool in "$@"; do if command -v "$tool" >/dev/null; then echo "$tool"; return; fi; done; echo "$1"; }
client() { "$(first mariadb mysql)" --user=root --batch --skip-column-names --default-character-set=utf8mb4 "$@"; }
"""
_VERSION = _SETTINGS + "client --execute='SELECT VERSION()'"
# Over TCP: the server that an entry point starts for its set-up listens on the socket alone.
_READY = _SETTINGS + '"$(first mariadb-admin mysqladmin)" --host=127.0.0.1 --user=root ping >/dev/null'
# A server without databases of anybody's is dumped as an empty text with an end. MySQL's transactions have numbers,
# which a server that goes on does not take twice; MariaDB's tool does not know the option, and needs none.
_DUMP = (
    _SETTINGS
    + f"""\
names=$(client --execute="SELECT schema_name FROM information_schema.schemata
  WHERE schema_name NOT IN {_SYSTEM} ORDER BY 1")
if [ -z "$names" ]; then echo '-- Dump completed'; exit; fi
set -f
IFS='
'
exec "$(first mariadb-dump mysqldump)" --user=root --single-transaction --quick --routines --events --triggers \\
  --hex-blob --default-character-set=utf8mb4 --add-drop-database --loose-set-gtid-purged=OFF --databases $names
"""
)
_USER_NAMES = (
    _SETTINGS
    + """\
client --raw <<'SQL'
SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user NOT LIKE 'mysql.%' AND host <> '' ORDER BY 1;
SQL
"""
)
_SQL = _SETTINGS + "client --raw --force"
_STRICT = _SETTINGS + "client --raw"
_LOAD = _SETTINGS + "client --raw >/dev/null"
_HASHES = "/*!80017 SET SESSION print_identified_with_as_hex = ON */;\n"
_TABLES = f"""\
SELECT CONCAT('SELECT ', QUOTE(CONCAT(table_schema, '.', table_name)), ', COUNT(*) FROM `',
  REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`;')
  FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN {_SYSTEM};
"""
# The user whom an image makes beside root, quoted for SQL, whoever else there is of the name.
_OWN_USER = (
    _SETTINGS
    + r"""
for name in MARIADB_USER MYSQL_USER; do
  eval "value=\${$name:-} file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then value=$(cat "$file"); fi
  if [ -n "$value" ]; then user=$value; fi
done
: "${user:?MARIADB_USER is not set}"
user="'$(printf %s "$user" | sed "s/[\\\\']/\\\\&/g")'"
"""
)
_TELL = (
    _OWN_USER
    + """client --raw <<SQL
SELECT IF(authentication_string = '', password, authentication_string) FROM mysql.user
  WHERE user = $user AND host = '%';
SQL
"""
)
# The older plugin's form may be there still, and is put back as well.
_TELL_PLUGIN = (
    _OWN_USER
    + """client --raw <<SQL
SELECT CONCAT(plugin, ' 0x', HEX(authentication_string)) FROM mysql.user WHERE user = $user AND host = '%';
SQL
"""
)
# What is kept comes as input: it stands on no command line.
_KEEP = _OWN_USER + """{ printf "ALTER USER %s@'%%' IDENTIFIED " "$user"; cat; } | client"""


class Native:
    """The password of the user whom MariaDB was made with; root sets it, whose own no release changes."""

    tell = _TELL
    variables = ("MARIADB_PASSWORD", "MARIADB_PASSWORD_FILE", "MYSQL_PASSWORD", "MYSQL_PASSWORD_FILE")
    needs = ("MARIADB_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD_FILE", "MYSQL_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD_FILE")

    def kept(self, access: Access, container: str) -> str:
        try:
            return a.ask(access, container, self.tell).strip()
        except StepError as trouble:
            raise StepError(f"the database does not tell whether its password is current: {trouble}")

    def keep(self, access: Access, container: str, kept: str) -> None:
        try:
            a.ask(access, container, _KEEP, given=f"{self.spelt(kept)};\n")
        except StepError as trouble:
            raise StepError(f"the database's password cannot be changed: {trouble}")

    def spelt(self, kept: str) -> str:
        """What stands behind IDENTIFIED."""
        return f"BY PASSWORD '{kept}'"

    def made(self, password: str) -> str:
        return native.verifier(password)

    def matches(self, kept: str, password: str) -> bool:
        return native.matches(kept, password)


class Sha2(Native):
    """Of MySQL, which has plugins for it: kept as the plugin's name and hexadecimal digits."""

    tell = _TELL_PLUGIN

    def spelt(self, kept: str) -> str:
        plugin, _, digits = kept.partition(" ")
        return f"WITH {plugin} AS {digits}"

    def made(self, password: str) -> str:
        return f"caching_sha2_password 0x{sha2.verifier(password).hex().upper()}"

    def matches(self, kept: str, password: str) -> bool:
        plugin, _, digits = kept.partition(" ")
        value = bytes.fromhex(digits.removeprefix("0x"))
        if plugin == "mysql_native_password":
            return native.matches(value.decode(errors="replace"), password)
        return plugin == "caching_sha2_password" and sha2.matches(value, password)


class MySQL:
    name = "mysql"
    passwords: Passwords | None = Sha2()

    def version(self, access: Access, container: str) -> str:
        return a.ask(access, container, _VERSION).strip()

    def parts(self, access: Access, container: str) -> list[str]:
        return [_USERS, _ALL]

    def counter(self, part: str) -> Counter:
        return Counter() if part == _USERS else Inserted()

    def dump(self, access: Access, container: str, part: str, stdout: Opener) -> Rows:
        if part == _USERS:
            try:
                names = a.ask(access, container, _USER_NAMES).splitlines()
            except StepError as trouble:
                raise StepError(f"the users cannot be listed: {trouble}")
            wishes = "".join(f"SHOW CREATE USER {n};\nSHOW GRANTS FOR {n};\n" for n in names)
            # Each answer is a statement without its end.
            script, stdin = _SQL + " | sed 's/$/;/'", a.text_stream(_HASHES + wishes)
        else:
            script, stdin = _DUMP, None
        status, said = a.execute(access, container, script, stdin=stdin, stdout=stdout)
        if status:
            raise StepError(f"the databases cannot be dumped: {a.complaint(access, status, said)}")
        return {}

    def prove(self, access: Access, image: str, parts: Mapping[str, Opener]) -> Rows:
        environment = {"MARIADB_ROOT_PASSWORD": "scratch", "MYSQL_ROOT_PASSWORD": "scratch"}
        with a.scratch(access, image, environment, _READY) as name:
            try:
                self._load(access, name, parts)
            except StepError as trouble:
                raise StepError(f"the dump does not restore into a scratch container: {trouble}")
            count = a.ask(access, name, _STRICT, given=_TABLES)
            told = a.ask(access, name, _STRICT, given=count).splitlines()
        return {table: int(n) for table, _, n in (line.rpartition("\t") for line in told)}

    def restore(self, access: Access, container: str, parts: Mapping[str, Opener]) -> None:
        try:
            self._load(access, container, parts)
        except StepError as trouble:
            raise StepError(f"the databases cannot be restored: {trouble}")

    def _load(self, access: Access, container: str, parts: Mapping[str, Opener]) -> None:
        status, said = a.execute(access, container, _LOAD, stdin=parts[_ALL])
        if status:
            raise StepError(a.complaint(access, status, said))
        if _USERS in parts:
            # Users who are there keep their passwords, which are the vault's.
            known = tuple(a.ask(access, container, _USER_NAMES).splitlines())
            wanted = [line for line in a.text_of(parts[_USERS]).splitlines() if not _about(line, known)]
            a.execute(access, container, _SQL, stdin=a.text_stream("\n".join([*wanted, "FLUSH PRIVILEGES;"])))


class MariaDB(MySQL):
    """Dumped alike, and by the same name in a backup's manifest."""

    passwords: Passwords | None = Native()


def _about(line: str, users: tuple[str, ...]) -> bool:
    """Whether a statement makes, or grants something to, one of the users; written with quotes of either kind."""
    spelt = line.replace("`", "'")
    if spelt.startswith("CREATE USER "):
        return spelt.startswith(tuple(f"CREATE USER {end}{user}" for user in users for end in ("", "IF NOT EXISTS ")))
    return any(f" TO {user}" in spelt for user in users)
