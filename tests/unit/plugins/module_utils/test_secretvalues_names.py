# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release.dockerfile import own_rules
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.history import named_secrets
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.names import (
    mentions_secret,
    secret_name,
    secret_value,
)
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.redaction import mask_assignments

VALUE = "k3-Vh81_tQ"
SECRET = [
    *("APP_SECRET", "SMTP_PASSWORD", "API_KEY", "GH_TOKEN", "DB_PASS", "DB_PWD", "KEY_PASSPHRASE", "JWT_SECRET_2"),
    *("LICENCE_KEY", "ENCRYPTION_KEY", "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", "dbPassword", "PGPASSWORD", "HASH_SALT"),
]
HARMLESS = [
    *("TOKEN_LIMIT", "PASSWORD_MIN_LENGTH", "SECRET_FILE", "ACCESS_TOKEN_EXPIRES_IN", "RESET_PASSWORD", "PWD"),
    *("NEXT_PUBLIC_API_KEY", "VITE_TOKEN", "PRIMARY_KEY", "SORT_KEY", "KEYBOARD", "MODE", "MAX_TOKENS", "GPG_KEY"),
]


def told(name):
    """What a Dockerfile is told of an argument of this name."""
    return "; ".join(own_rules(f"FROM base:1\nARG {name}\n", "", True))


@pytest.mark.parametrize("name", SECRET)
def test_every_judge_takes_the_same_names_for_secrets(name):
    assert secret_name(name) and mentions_secret(name) and secret_value(name, VALUE)
    assert VALUE not in mask_assignments(f"{name}: {VALUE}")
    assert [found.name for found in named_secrets({"config": {"Env": [f"{name}={VALUE}"]}})] == [name]
    assert name in told(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_every_judge_lets_the_same_names_pass(name):
    assert not secret_name(name) and not secret_value(name, VALUE)
    assert named_secrets({"config": {"Env": [f"{name}={VALUE}"]}}) == []
    assert name not in told(name)


@pytest.mark.parametrize(
    "name",
    ["SECRET_ID", "TOKEN_URL", "PG_DATABASE_URL", "SENTRY_DSN", "PRIVATE_KEY_BASE64", "mysecretvalue", "tls_key"],
)
def test_a_mask_goes_by_less(name):
    assert mentions_secret(name) and VALUE not in mask_assignments(f"{name}={VALUE}")


@pytest.mark.parametrize("name", ["SERVER_URL", "KEYBOARD", "MODE", "REDIS_URL", ""])
def test_a_mask_leaves_the_rest(name):
    assert not mentions_secret(name)
