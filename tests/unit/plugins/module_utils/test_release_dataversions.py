"""Which database an image holds, and what it can read."""

from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release.dataversions import Database, database, reads


@pytest.mark.parametrize(
    ("reference", "environment", "known"),
    [
        ("postgres:16", (), ("postgres", (16,))),
        ("registry.example.com:5000/base/postgres:16.4-alpine@sha256:aa", (), ("postgres", (16, 4))),
        ("local/sluice-postgres:17", (), ("postgres", (17,))),
        ("pgvector/pgvector:pg16", (), ("postgres", (16,))),
        ("timescale/timescaledb:2.17.2-pg16", (), ("postgres", (16,))),
        ("base/db:stable", ("PATH=/bin", "PG_MAJOR=17"), ("postgres", (17,))),
        ("base/db:2", ("MARIADB_VERSION=1:11.8.2+maria~deb12",), ("mariadb", (11, 8, 2))),
        ("mysql:8.4", ("MYSQL_MAJOR=8.4", "MYSQL_VERSION=8.4.3-1.el9"), ("mysql", (8, 4, 3))),
        ("redis:7.4.1-alpine", (), ("redis", (7, 4, 1))),
        ("mongo:latest", (), ("", ())),
        ("postgres", (), ("", ())),
        ("app:3", (), ("", ())),
    ],
)
def test_what_an_image_holds(reference: str, environment: tuple[str, ...], known: tuple[str, tuple[int, ...]]) -> None:
    assert database(reference, environment) == Database(*known)


@pytest.mark.parametrize(
    ("old", "new", "can"),
    [
        ("postgres:16", "postgres:16.4", True),
        ("postgres:16.4", "postgres:16.2", True),
        ("postgres:16", "postgres:17", False),
        ("postgres:17", "postgres:16", False),
        ("postgres:9.5", "postgres:9.6", False),
        ("mysql:8.0", "mysql:8.4", True),
        ("mysql:8.4", "mysql:8.0", False),
        ("mysql:8.4", "mysql:9.0", False),
        ("mysql:8", "mysql:8.0", True),
        ("mariadb:11.4", "mariadb:11.8", True),
        ("mariadb:11.8", "mariadb:10.11", False),
        ("mysql:8.4", "mariadb:11.8", False),
        ("mongo:7", "mongo:8", False),
        ("redis:7.2", "redis:8.0", True),
        ("redis:7.4", "redis:7.2", False),
        ("redis:7.4.2", "redis:7.4.1", True),
        ("redis:7.2.4", "valkey/valkey:8.0", True),
        ("redis:7.4", "valkey/valkey:8.0", False),
        ("valkey/valkey:8.0", "redis:8.0", False),
        ("mongo:latest", "mongo:8", True),
        ("app:1", "postgres:17", True),
    ],
)
def test_what_reads_what(old: str, new: str, can: bool) -> None:
    assert reads(database(new), database(old)) is can
