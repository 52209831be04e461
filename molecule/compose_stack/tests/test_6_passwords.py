"""The database's password follows the vault's, and goes back with a release that fails. The seed stands in all secrets."""

from __future__ import annotations

import pytest
from conftest import STATE

testinfra_hosts = ["ssh://debian13"]


@pytest.fixture
def lets_in(host):
    """Whether PostgreSQL lets the seed's password in, by the network, where it asks for one."""

    def ask(seed: str) -> bool:
        password = "p#" + seed + "@/%:'\""
        connect = 'read -r PGPASSWORD; export PGPASSWORD; exec psql -h "$(hostname -i)" -U twenty -c "select 1"'
        done = host.run("printf '%%s\\n' %s | docker exec -i crm-postgres sh -c %s", password, connect)
        assert done.rc == 0 or "password authentication failed" in done.stderr, done.stderr
        return done.rc == 0

    return ask


def test_a_new_password_fails_with_its_release_serves_with_it_and_stays_for_the_way_back(
    host, play, standing, served, whole, lets_in
):
    impatient = {"server": {"health": {"start_period": "2s", "interval": "1s"}}}
    never = {"demo_seed": "a-seed-that-never-served", "demo_break": "unhealthy", "demo_changes": impatient}
    failed = play(demo_version=standing.here, **never)
    assert failed.status != 0
    assert "The password of postgres in the database is the old one again." in failed.output
    assert served() == standing.here and not lets_in("a-seed-that-never-served")
    whole(standing.here)

    changed = play.well("-vvv", "--diff", demo_version=standing.there, demo_seed="a-seed-that-was-rotated")
    assert "The password of postgres was changed in the database." in changed.output
    assert "a-seed-that-was-rotated@" not in changed.output
    assert lets_in("a-seed-that-was-rotated")
    whole(standing.there)
    assert not host.file(f"{STATE}/passwords.json").exists

    # The release before knew another password.
    play.well(state="rollback", demo_seed="a-seed-that-was-rotated")
    assert lets_in("a-seed-that-was-rotated")
    whole(standing.here)
