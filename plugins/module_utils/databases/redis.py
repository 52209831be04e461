# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redis and Valkey: a snapshot of one moment, checked by the server's own tool."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import StepError
from . import access as a
from .access import Access, Opener
from .kind import Passwords
from .rows import Begun, Counter, Rows

_SNAPSHOT = "rdb"
_KEYS = "keys"

_SETTINGS = """\
set -eu
first() { for tool in "$@"; do if command -v "$tool" >/dev/null; then echo "$tool"; return; fi; done; echo "$1"; }
if [ -z "${REDISCLI_AUTH:-}" ]; then
  for name in REDIS_PASSWORD VALKEY_PASSWORD; do
    eval "value=\\${$name:-} file=\\${${name}_FILE:-}"
    if [ -n "$file" ]; then value=$(cat "$file"); fi
    if [ -n "$value" ]; then export REDISCLI_AUTH="$value"; fi
  done
fi
cli() { "$(first redis-cli valkey-cli)" --raw "$@"; }
info() { cli "$@" | tr -d '\\r'; }
state() { info INFO "$1" | sed -n "s/^$2://p"; }
"""
_VERSION = _SETTINGS + "state server redis_version"
_READY = _SETTINGS + '[ "$(cli PING)" = PONG ]'
# The server replaces its file whole, so that one that is being read stays what it was.
_DUMP = (
    _SETTINGS
    + """\
wait_saved() { while [ "$(state persistence rdb_bgsave_in_progress)" = 1 ]; do sleep 0.2; done; }
wait_saved
said=$(cli BGSAVE)
case $said in Background*) ;; *) echo "$said" >&2; exit 1 ;; esac
sleep 0.1
wait_saved
status=$(state persistence rdb_last_bgsave_status)
[ "$status" = ok ] || { echo "the server could not save its data: $status" >&2; exit 1; }
file=$(info CONFIG GET dir | tail -n 1)/$(info CONFIG GET dbfilename | tail -n 1)
exec 3<"$file"
"$(first redis-check-rdb valkey-check-rdb)" "$file" >&2
cat <&3
"""
)
# A second server beside the first, of which the first becomes the replica for a moment: that works whatever the way
# in which it keeps its data.
_BESIDE = (
    _SETTINGS
    + """\
place=$(mktemp -d)
port=16399
beside() { env -u REDISCLI_AUTH "$(first redis-cli valkey-cli)" --raw -p "$port" "$@" | tr -d '\\r'; }
trap 'beside SHUTDOWN NOSAVE >/dev/null 2>&1 || true; rm -rf "$place"' EXIT
cat >"$place/dump.rdb"
"$(first redis-server valkey-server)" --port "$port" --bind 127.0.0.1 --dir "$place" --dbfilename dump.rdb --save '' \\
  --appendonly no --daemonize yes --pidfile "$place/pid" --logfile "$place/log" >/dev/null
tries=0
until [ "$(beside PING 2>/dev/null)" = PONG ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ]; then tail -n 3 "$place/log" >&2; exit 1; fi
  sleep 0.2
done
"""
)
_COUNT = _BESIDE + "beside INFO keyspace\n"
_RESTORE = (
    _BESIDE
    + """\
cli REPLICAOF 127.0.0.1 "$port" >/dev/null
tries=0
until [ "$(state replication master_link_status)" = up ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 3000 ]; then cli REPLICAOF NO ONE >/dev/null; echo 'the snapshot is not taken over' >&2; exit 1; fi
  sleep 0.2
done
cli REPLICAOF NO ONE >/dev/null
"""
)


class Redis:
    name = "redis"
    passwords: Passwords | None = None

    def version(self, access: Access, container: str) -> str:
        return a.ask(access, container, _VERSION).strip()

    def parts(self, access: Access, container: str) -> list[str]:
        return [_SNAPSHOT]

    def counter(self, part: str) -> Counter:
        return Begun(lambda head: head.startswith((b"REDIS", b"VALKEY")))

    def dump(self, access: Access, container: str, part: str, stdout: Opener) -> Rows:
        status, said = a.execute(access, container, _DUMP, stdout=stdout)
        if status:
            raise StepError(f"the data cannot be saved: {a.complaint(access, status, said)}")
        told = {word: int(n) for n, word in re.findall(r"(\d+) (keys read|expires)", said)}
        # A key that is to expire may be gone by the time of a proof.
        return {_KEYS: told.get("keys read", 0) - told.get("expires", 0)}

    def prove(self, access: Access, image: str, parts: Mapping[str, Opener]) -> Rows:
        with a.scratch(access, image, {}, _READY) as name:
            try:
                told = a.ask(access, name, _COUNT, stdin=parts[_SNAPSHOT])
            except StepError as trouble:
                raise StepError(f"the snapshot does not load into a scratch container: {trouble}")
        return {_KEYS: sum(int(n) for n in re.findall(r"keys=(\d+)", told))}

    def restore(self, access: Access, container: str, parts: Mapping[str, Opener]) -> None:
        status, said = a.execute(access, container, _RESTORE, stdin=parts[_SNAPSHOT])
        if status:
            raise StepError(f"the data cannot be restored: {a.complaint(access, status, said)}")
