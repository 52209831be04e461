# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which kind of database a service is: told by its image, or by its `backup`."""

from __future__ import annotations

from ..stack import Service
from .kind import Kind
from .mongodb import MongoDB
from .mysql import MariaDB, MySQL
from .postgres import Postgres
from .redis import Redis

_POSTGRES, _MYSQL, _MARIADB, _MONGODB, _REDIS = Postgres(), MySQL(), MariaDB(), MongoDB(), Redis()
# By a name for `backup`, and by the last part of an image's repository.
_BY_NAME: dict[str, Kind] = {
    "postgres": _POSTGRES,
    "mysql": _MYSQL,
    "mariadb": _MARIADB,
    "mongodb": _MONGODB,
    "redis": _REDIS,
    "valkey": _REDIS,
}
_BY_IMAGE: dict[str, Kind] = {
    **_BY_NAME,
    **dict.fromkeys(("postgresql", "postgis", "pgvector", "timescaledb", "timescaledb-ha"), _POSTGRES),
    **dict.fromkeys(("percona", "percona-server"), _MYSQL),
    **dict.fromkeys(("mongo", "percona-server-mongodb"), _MONGODB),
    **dict.fromkeys(("redis-stack", "redis-stack-server"), _REDIS),
}
# Files of servers that have no dump of ours, and make no good copy while they are written.
_HELD_STILL = (
    "clickhouse", "clickhouse-server", "elasticsearch", "opensearch", "etcd", "influxdb", "meilisearch", "nats",
    "neo4j", "rabbitmq", "typesense", "qdrant", "cassandra", "couchdb",
)  # fmt: skip
_HOLDS = ("pause", "stop")


def kind_of(service: Service) -> Kind | None:
    """The kind of a service's database; None for what is no database that can be dumped, or is not to be.

    A database without a volume keeps nothing that outlives it, unless `backup` says otherwise.
    """
    if not service.stateful:
        return None
    if service.backup:
        return _BY_NAME.get(service.backup)
    return _BY_IMAGE.get(_last_part(service.image)) if service.volumes else None


def held(service: Service) -> str:
    """How a stateful service rests while its files are copied: `pause`, `stop`, or empty for not at all."""
    if service.backup in _HOLDS:
        return service.backup
    known = service.stateful and not service.backup and _last_part(service.image) in _HELD_STILL
    return "pause" if known else ""


def by_name(name: str) -> Kind | None:
    """A kind, as a backup's manifest names it."""
    return _BY_NAME.get(name)


def _last_part(image: str) -> str:
    """The last part of an image's repository: `mariadb` of `registry.example.com:5000/base/mariadb:11`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
