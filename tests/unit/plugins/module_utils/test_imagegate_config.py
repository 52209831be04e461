# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import time

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.history import (
    Step,
    instruction,
    layer_instructions,
    multi_stage,
    runs_as_root,
    steps,
)
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.history import named_secrets

VALUE = "hunter2-synthetic"


def secrets(*lines, env=()):
    return named_secrets({"config": {"Env": list(env)}, "history": [{"created_by": line} for line in lines]})


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"/bin/sh -c #(nop)  ENV APP_SECRET={VALUE}", ("APP_SECRET", "ENV")),
        (f"ENV MODE=x DB_PASSWORD={VALUE} with spaces", ("DB_PASSWORD", "ENV")),
        (f"ARG NPM_TOKEN={VALUE}", ("NPM_TOKEN", "ARG")),
        (f"|2 MODE=x NPM_TOKEN={VALUE} and more /bin/sh -c npm ci", ("NPM_TOKEN", "ARG")),
        (f"RUN |1 NPM_TOKEN={VALUE} /bin/sh -c npm ci # buildkit", ("NPM_TOKEN", "ARG")),
        (f"RUN /bin/sh -c API_KEY='{VALUE} x' ./build # buildkit", ("API_KEY", "history")),
        (f"RUN /bin/sh -c git clone https://me:{VALUE}@git.example.com/a", ("password in a URL", "history")),
        (f"ENV DATABASE_URL=postgres://app:{VALUE}@db/app", ("DATABASE_URL", "ENV")),
        (f'RUN /bin/sh -c curl -H "Authorization: Bearer {VALUE}" x', ("authorization header", "history")),
        (f"RUN /bin/sh -c login --password {VALUE}", ("password option", "history")),
        (f"RUN /bin/sh -c login --password={VALUE}", ("password", "history")),
    ],
)
def test_a_secret_is_named_and_its_value_masked(line, found):
    assert secrets(line) == [found]
    assert VALUE not in instruction(line)
    assert "spaces" not in instruction(line)
    assert "***" in instruction(line)


@pytest.mark.parametrize(
    "name",
    [
        *("RAILS_MASTER_KEY", "APP_KEY", "MEILI_MASTER_KEY", "MYSQL_PWD", "SMTP_PWD", "SECRET_KEY", "SECRET_KEY_BASE"),
        *("DB_PASS", "JWT_KEY", "NPM_TOKEN", "PGPASSWORD", "JWT_SECRET", "TOKEN_SECRET", "AWS_ACCESS_KEY"),
    ],
)
def test_names_that_promise_a_secret(name):
    found = secrets(f"ARG {name}={VALUE}", env=[f"{name}={VALUE}"])
    assert found == [(name, "ENV"), (name, "ARG")]
    assert secrets(f"RUN /bin/sh -c {name}=dummy ./build && {name}={VALUE} ./run") == [(name, "history")]


@pytest.mark.parametrize(
    "value", ["dummy", "Dummy", "build", "changeme", "change-me", "change_me", "placeholder", "xxx"]
)
@pytest.mark.parametrize("extra", ["", "'", '"'])
def test_a_value_that_stands_for_none_is_no_secret(value, extra):
    line = f"RUN /bin/sh -c SECRET_KEY={extra}{value}{extra} python manage.py collectstatic"
    assert secrets(line, env=[f"SECRET_KEY_BASE={value}"]) == []
    assert "***" not in instruction(line)


@pytest.mark.parametrize(
    "line",
    [
        "ENV SECRET_KEY_BASE=1",
        "ENV SECRET_KEY_BASE_DUMMY=1",
        "ENV JWT_TOKEN_EXPIRATION=30d",
        "ENV JWT_TOKEN_EXPIRATION=never-again",
        "ENV TOKEN_MAX_AGE=15m REFRESH_TOKEN_DURATION=3600s",
        "ENV PASSWORD_RESET_TOKEN_TIMEOUT=1.5h",
        "ENV OLD_PWD= PWD=/app OLDPWD=/usr/src",
        "ENV GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
        "ENV NGINX_GPGKEY_PATH=/etc/x SSL_KEY=/etc/ssl/private/app.key",
        "ENV SORT_KEY=name PRIMARY_KEY=id PUBLISHABLE_KEY=pk_abcdefgh",
        "ENV APP_SECRET=<your-secret> API_TOKEN=your_token_here",
        "ENV APP_KEY= MODE=production",
    ],
)
def test_names_and_values_that_promise_none(line):
    assert secrets(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "ENV APP_SECRET_FILE=/run/secrets/app",
        "ENV ACCESS_TOKEN_EXPIRES_IN=30m",
        "ENV PUBLIC_KEY=abcdefghijkl",
        "ENV GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
        "ENV AUTH_TOKEN= MODE=production",
        "ENV MAX_TOKENS=4096",
        "ARG NPM_TOKEN",
        "RUN /bin/sh -c PASSWORD=$(cat /run/secrets/x) ./build",
        'RUN /bin/sh -c curl -H "Authorization: Bearer $TOKEN" https://example.com',
        "RUN /bin/sh -c login --password $PASSWORD",
        "RUN /bin/sh -c printf 'API_TOKEN=%s' \"$(cat token)\" > .env",
        "ENV DATABASE_URL=postgres://db/app",
        "ENV HOME_URL=https://example.com/@me",
        "COPY token.js secrets.js ./",
    ],
)
def test_what_only_looks_like_a_secret(line):
    assert secrets(line) == []
    assert "***" not in instruction(line)


def test_the_environment_is_searched_too():
    env = [f"APP_SECRET={VALUE}", "PATH=/bin", f"REDIS=redis://:{VALUE}@redis"]
    assert secrets(env=env) == [("APP_SECRET", "ENV"), ("REDIS", "ENV")]
    assert VALUE not in repr(secrets(env=env))


@pytest.mark.parametrize(
    "word",
    [
        "a",
        "A_",
        "a.",
        "a.b-",
        "://",
        "://a:",
        "cookie: ",
        "authorization:bearer ",
        " --token ",
        " ",
        "\" '",
        "A=",
        'A="',
        " A",
        " A=' ",
        "\n\t",
        " /bin/",
        " /bin/sh",
        "|1 ",
        "@:",
        "token=",
    ],
)
@pytest.mark.parametrize("start", ["", "RUN /bin/sh -c ", "|1 A=b ", "ENV A=", "ARG "])
def test_a_long_line_takes_time_in_proportion(start, word):
    line = start + word * (120_000 // len(word)) + "\0"
    began = time.process_time()
    secrets(line, env=[f"A={line}"])
    instruction(line)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("created_by", "shown"),
    [
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c apt-get update   && true", "RUN apt-get update && true"),
        ("RUN /bin/sh -c npm ci # buildkit", "RUN npm ci"),
        ("COPY . . # buildkit", "COPY . ."),
        ("", ""),
    ],
)
def test_history_reads_as_the_dockerfile(created_by, shown):
    assert instruction(created_by) == shown


def test_layers_meet_the_instructions_that_made_them():
    history = [
        {"created_by": "ADD rootfs /"},
        {"created_by": "ENV A=b", "empty_layer": True},
        {"created_by": "COPY . ."},
    ]
    assert layer_instructions(steps({"history": history}, 2), 2) == ["ADD rootfs /", "COPY . ."]
    assert layer_instructions(steps({"history": history}, 3), 3) == ["", "", ""]
    assert layer_instructions(steps({}, 1), 1) == [""]


@pytest.mark.parametrize(
    ("user", "root"),
    [
        *((user, True) for user in ("", None, "root", "root:app", "0", "00", "0:1000")),
        *((user, False) for user in ("1000", "1000:0", "app")),
    ],
)
def test_root_is_told_by_name_and_number(user, root):
    assert runs_as_root({"config": {"User": user}}) is root


def test_stages_are_told_where_they_can_be():
    from_stage = [Step("COPY --chown=1000 /build/dist dist", 1)]
    from_context = [Step("COPY package.json ./", 0), Step("RUN npm ci", 1)]
    assert multi_stage(from_stage, True).verdict == "likely"
    assert multi_stage(from_context, True).verdict == "unlikely"
    assert multi_stage(from_context, False).verdict == "unknown"
