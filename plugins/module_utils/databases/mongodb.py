# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MongoDB: an archive of everything that the server holds, by the tools that its image brings."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import StepError
from . import access as a
from .access import Access, Opener
from .kind import Passwords
from .rows import Begun, Counter, Rows

_ARCHIVE = "archive"
_MAGIC = b"\x6d\xe2\x99\x81"
# The tools read a password from a file, where no process list shows it.
_SETTINGS = """\
set -eu
umask 077
value() {
  eval "text=\\${$1:-} file=\\${${1}_FILE:-}"
  if [ -n "$file" ]; then cat "$file"; else printf %s "$text"; fi
}
user=$(value MONGO_INITDB_ROOT_USERNAME)
set --
if [ -n "$user" ]; then
  config=$(mktemp)
  trap 'rm -f "$config"' EXIT
  printf "password: '%s'\\n" "$(value MONGO_INITDB_ROOT_PASSWORD | sed "s/'/''/g")" >"$config"
  set -- --config="$config" --username="$user" --authenticationDatabase=admin
fi
"""
_VERSION = "mongod --version | head -n 1"
_READY = (
    "exec mongosh --quiet --eval 'db.runCommand({ping: 1})' || exec mongo --quiet --eval 'db.runCommand({ping: 1})'"
)
_DUMP = _SETTINGS + 'mongodump --archive "$@"'
_LOAD = _SETTINGS + 'mongorestore --archive --drop --stopOnError "$@"'
_DUMPED = re.compile(r"done dumping (\S+) \((\d+) documents?\)")
_RESTORED = re.compile(r"finished restoring (\S+) \((\d+) documents?")


class MongoDB:
    name = "mongodb"
    passwords: Passwords | None = None

    def version(self, access: Access, container: str) -> str:
        return a.ask(access, container, _VERSION).strip().rpartition("v")[2]

    def parts(self, access: Access, container: str) -> list[str]:
        return [_ARCHIVE]

    def counter(self, part: str) -> Counter:
        return Begun(lambda head: head[:4] in (_MAGIC, _MAGIC[::-1]))

    def dump(self, access: Access, container: str, part: str, stdout: Opener) -> Rows:
        status, said = a.execute(access, container, _DUMP, stdout=stdout)
        if status:
            raise StepError(f"the databases cannot be dumped: {a.complaint(access, status, said)}")
        return {name: int(n) for name, n in _DUMPED.findall(said)}

    def prove(self, access: Access, image: str, parts: Mapping[str, Opener]) -> Rows:
        with a.scratch(access, image, {}, _READY) as name:
            status, said = a.execute(access, name, _LOAD, stdin=parts[_ARCHIVE])
            if status:
                reason = a.complaint(access, status, said)
                raise StepError(f"the dump does not restore into a scratch container: {reason}")
        return {name: int(n) for name, n in _RESTORED.findall(said)}

    def restore(self, access: Access, container: str, parts: Mapping[str, Opener]) -> None:
        status, said = a.execute(access, container, _LOAD, stdin=parts[_ARCHIVE])
        if status:
            raise StepError(f"the databases cannot be restored: {a.complaint(access, status, said)}")
