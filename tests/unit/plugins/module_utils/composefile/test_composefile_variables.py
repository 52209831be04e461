"""Variables and secrets: where they stand, and that no value of a secret is in the description."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.composefile.scan import variables
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.names import foreign_secret, secret_name
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.tokens import fill_in

Read = Callable[..., Any]


@pytest.mark.parametrize(
    "name",
    [
        *("DB_PASSWORD", "PGPASSWORD", "SECRET_KEY", "SECRET_KEY_BASE", "JWT_SECRET", "API_KEY", "TOKEN", "dbPassword"),
        *("REDIS_PASS", "AWS_SECRET_ACCESS_KEY", "N8N_ENCRYPTION_KEY", "AUTH_SECRET_1", "_APP_OPENSSL_KEY_V1"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ACCESS_TOKEN_EXPIRE_MINUTES",
            "PASSWORD_RESET_URL",
            "NEXT_PUBLIC_API_KEY",
            "AWS_ACCESS_KEY_ID",
            "PASSWORDLESS",
        ),
        *("ALLOW_EMPTY_PASSWORD", "MYSQL_PASSWORD_FILE", "VAPID_PUBLIC_KEY", "PASSWORD_MIN_LENGTH", "KEYBOARD", "PORT"),
    ],
)
def test_names_that_speak_of_secrets(name: str) -> None:
    assert not secret_name(name)


def test_a_mail_accounts_password_is_nobodys_to_make() -> None:
    assert foreign_secret("SMTP_PASSWORD") and not foreign_secret("DB_PASSWORD")


def test_every_variable_is_found_with_its_place_and_default() -> None:
    text = 'a: ${A}\nb: "${B:-x${C-y}}" # ${NOT}\nc: $$D ${E:?must} $F\n# ${NEITHER}\n'
    assert [(v.name, v.line, v.operator, v.argument) for v in variables({"f": text})] == [
        ("A", 1, "", ""),
        ("B", 2, ":-", "x${C-y}"),
        ("C", 2, "-", "y"),
        ("E", 3, ":?", "must"),
        ("F", 3, "", ""),
    ]


def test_a_long_line_is_read_in_linear_time() -> None:
    assert len(variables({"f": "a: " + "${X:-" * 20_000})) == 20_000


SHOP = """
services:
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}"}
  app:
    image: shop
    ports: ["80:80"]
    command: serve --token=${API_TOKEN}
    environment:
      DATABASE_URL: postgres://shop:${DB_PASSWORD}@db/shop
      TAG: ${TAG:-1}
"""


def test_given_secrets_are_tokens_to_compose(project: Read) -> None:
    read = project(SHOP, secrets=["DB_PASSWORD", "API_TOKEN"])
    assert not read.found("decide")
    assert read.services["db"]["secrets"] == [{"name": "DB_PASSWORD", "env": "POSTGRES_PASSWORD"}]
    assert read.services["app"]["secrets"] == ["DATABASE_URL", {"name": "API_TOKEN", "as": "text"}]
    assert [f.key for f in read.found("note")].count("services.app.command") == 1
    assert read.services["app"]["env"] == {"TAG": "1"}
    assert read.services["app"]["command"] == ["serve", "--token=%SECRET.API_TOKEN%"]
    url = fill_in(read.reading.composed["DATABASE_URL"], {"DB_PASSWORD": "s3cret"})
    assert url == "postgres://shop:s3cret@db/shop"
    assert read.reading.secret_names == ("API_TOKEN", "DB_PASSWORD")


def test_secrets_that_nobody_gave_are_to_be_made(project: Read) -> None:
    read = project(SHOP)
    assert read.reading.needed == ["DB_PASSWORD", "API_TOKEN"]
    assert "make secrets" in read.said("decide")


def test_one_of_a_party_outside_is_blank_until_it_is_given(project: Read) -> None:
    read = project('services: {a: {image: a, ports: ["80:80"], environment: {P: "${SMTP_PASSWORD}"}}}')
    assert read.services["a"]["env"] == {"P": ""} and list(read.reading.asked) == ["SMTP_PASSWORD"]
    assert not read.found("decide")


PLANTED = "p1anted-Value-8f3a"


def test_no_value_of_a_secret_is_in_what_is_shown(project: Read) -> None:
    text = f"""
services:
  app:
    image: shop
    ports: ["80:80"]
    environment: {{APP_SECRET: "{PLANTED}-1", URL: "amqp://u:{PLANTED}-2@mq", P: "${{DB_PASSWORD}}"}}
    env_file: [app.env]
    secrets: [key]
secrets: {{key: {{file: ./key.txt}}}}
"""
    files = {
        ".env": f"DB_PASSWORD={PLANTED}-3\n",
        "app.env": f"JWT_SECRET='{PLANTED}-$4'\n",
        "key.txt": f"{PLANTED}-5\n",
    }
    read = project(text, files)
    shown = json.dumps(read.read.data()) + json.dumps(read.services)
    assert PLANTED not in shown and PLANTED not in repr(read.read)
    assert read.reading.clear == {
        "DB_PASSWORD": f"{PLANTED}-3",
        "APP_SECRET": f"{PLANTED}-1",
        "URL": f"amqp://u:{PLANTED}-2@mq",
        "JWT_SECRET": f"{PLANTED}-$4",
        "key": f"{PLANTED}-5",
    }
    assert read.said("note").count("stands in clear") == 5


def test_one_password_under_several_names_is_one_secret(project: Read) -> None:
    text = """
services:
  db: {image: "postgres:16", environment: {POSTGRES_PASSWORD: postgres}}
  app: {image: a, ports: ["80:80"], environment: {DB_PASS: postgres, URL: "postgres://x:postgres@db/x"}}
"""
    read = project(text)
    assert read.reading.needed == ["DB_PASS"]
    assert read.reading.composed == {
        "POSTGRES_PASSWORD": "%SECRET.DB_PASS%",
        "URL": "postgres://x:%SECRET.DB_PASS%@db/x",
    }
    given = project(text, secrets=["POSTGRES_PASSWORD"])
    assert not given.found("decide") and given.reading.composed == {
        "DB_PASS": "%SECRET.POSTGRES_PASSWORD%",
        "URL": "postgres://x:%SECRET.POSTGRES_PASSWORD%@db/x",
    }


def test_a_secret_of_the_project_is_a_file(project: Read) -> None:
    text = """
services:
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD_FILE: /run/secrets/db-password}
    secrets: [db-password]
secrets: {db-password: {external: true}}
"""
    read = project(text, secrets=["db_password"])
    assert read.services["db"]["secrets"] == [
        {"name": "db_password", "as": "file", "path": "/run/secrets/db-password", "env": "POSTGRES_PASSWORD_FILE"}
    ]
    assert not read.found("refused") and not read.found("decide")


def test_no_variable_is_set_that_the_file_does_not_name(project: Read) -> None:
    text = """
services:
  app: {image: app, ports: ["80:80"], secrets: [token]}
secrets: {token: {environment: TOKEN}}
"""
    read = project(text, secrets=["TOKEN"])
    wanted = {"name": "TOKEN", "as": "file", "path": "/run/secrets/token", "env": False}
    assert read.services["app"]["secrets"] == [wanted]


def test_a_secret_in_a_label_is_told(project: Read) -> None:
    text = 'services: {a: {image: a, ports: ["80:80"], labels: {told: "${API_TOKEN}"}}}'
    assert [f.key for f in project(text, secrets=["API_TOKEN"]).found("decide")] == ["services.a.labels"]


def test_a_secret_in_a_build_argument_is_told(project: Read) -> None:
    text = 'services: {a: {build: {context: ., args: {T: "${NPM_TOKEN}"}}, ports: ["80:80"]}}'
    assert "would stay in the image's history" in project(text, secrets=["NPM_TOKEN"]).said("decide")


BAD = """
services:
  app:
    image: shop:${TAG:?which one}
    ports: ["8080:80"]
    env_file: [app.env]
    environment: {SECRET_KEY: changeme}
    volumes: [".:/app"]
  other: {image: x, ports: ["8080:80"], network_mode: host, restart: "${AGAIN}"}
"""


def test_everything_that_is_wrong_is_said_at_once(project: Read) -> None:
    read = project(BAD, {"app.env.example": "A=1\n"})
    said = read.said("decide") + read.said("refused")
    for word in (
        *("${TAG} (compose.yml:4: which one)", "${AGAIN} (compose.yml:9)", "env_file app.env: is not in the project"),
        *("app.env.example", "8080/tcp", "SECRET_KEY (a placeholder)", "services.app.volumes[0]", "network_mode"),
    ):
        assert word in said, word


def test_what_stood_in_for_a_file_is_gone_again(project: Read, tmp_path: Path) -> None:
    project(BAD, {"app.env.example": "A=1\n"})
    assert not (tmp_path / "shop/app.env").exists()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("services: {a: {image: x, prots: ['80']}}", "prots"),
        ("services: {a: {image: x, depends_on: [b]}, b: {image: y, depends_on: [a]}}", "cycle"),
        ("services: {a: {image: x, depends_on: [gone]}}", "gone"),
        ("services: [", "yaml"),
    ],
)
def test_what_compose_refuses_is_said_in_its_words(project: Read, text: str, word: str) -> None:
    read = project(text)
    assert read.read.data()["verdict"] == "refused"
    assert "Docker Compose says: " in read.said("refused") and word in read.said("refused")


def test_profiles_that_are_not_asked_for_are_told(project: Read) -> None:
    text = 'services: {a: {image: x, ports: ["80:80"]}, b: {image: y, profiles: [extra]}}'
    assert "b are of profiles that are not asked for" in project(text).said("note")
    assert set(project(text, profiles=["extra"]).services) == {"a", "b"}


PROFILES = """
services:
  a: {image: x, ports: ["80:80"]}
  b: {image: y, ports: ["81:80"], profiles: [extra, more]}
  c: {image: z, profiles: [web]}
"""


def test_a_route_to_a_service_of_another_profile_names_the_profile_and_the_line(project: Read) -> None:
    read = project(PROFILES, profiles=["web"], routes=[{"path": "/", "service": "b"}])
    assert [str(f) for f in read.found("refused")] == [
        "stack_routes[0].service: b is of the profile extra or more, which is not asked for."
        " Add: profiles: [web, extra] in stack_compose"
    ]
    routed = project(PROFILES, profiles=["web", "extra"], routes=[{"path": "/", "service": "b"}])
    assert routed.kinds()["b"] == "web" and not routed.found("refused")


def test_a_correction_of_a_service_of_another_profile_waits(project: Read) -> None:
    read = project(PROFILES, corrections={"b": {"kind": "worker"}})
    assert "b is of the profile extra or more" in read.said("note") and not read.found("refused")


def test_a_service_that_waits_for_one_of_another_profile_names_it(project: Read) -> None:
    text = "services: {a: {image: x, depends_on: [b]}, b: {image: y, profiles: [extra]}}"
    assert "b is of the profile extra, which is not asked for; add to stack_compose: profiles: [extra]" in project(
        text
    ).said("refused")


def test_a_password_that_is_also_the_name_of_the_user_is_none(project: Read) -> None:
    text = """
services:
  app: {image: x, ports: ["80:80"], environment: {DB_USER: shop, DB_PASSWORD: shop, API_TOKEN: kept-9d8f7a6b5c}}
  db: {image: "postgres:17", environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: shop}, volumes: ["d:/var/lib/postgresql/data"]}
volumes: {d: {}}
"""
    read = project(text)
    assert "DB_PASSWORD (no secret: a variable beside it has the same value)" in read.said("decide")
    assert list(read.read.reading.clear) == ["API_TOKEN"]
    assert list(read.read.reading.composed) == ["POSTGRES_PASSWORD"], "one value, one secret"


def test_a_path_that_is_still_to_be_filled_in_is_asked_for(project: Read) -> None:
    read = project('services: {a: {image: x, ports: ["80:80"], volumes: ["/<your-path>/files:/files"]}}')
    assert "the path /<your-path>/files holds a placeholder" in read.said("decide")


def test_files_that_lie_above_the_project_are_named_as_they_are_written(project: Read) -> None:
    text = """
services:
  a: {image: x, ports: ["80:80"], env_file: ../common.env, configs: [told], volumes: ["../motd:/etc/motd"]}
configs: {told: {file: ../told}}
"""
    read = project(text)
    assert [f.key for f in read.found("decide")] == ["env_file ../common.env", "configs.told.file"]
    assert "../told is not in the project" in read.said("decide")
    assert "env_file ../common.env: leads out of the project" in read.said("decide")
    assert "path: of the Compose files" in read.said("decide")
    assert "the path ../motd leads out of the project" in read.said("refused")
    assert "Docker Compose says" not in read.said("refused")


def test_an_env_file_of_another_place_is_asked_for_by_its_name(project: Read) -> None:
    text = """
services:
  a: {image: x, ports: ["80:80"], env_file: [/etc/sluice-none/shop.env, own.env]}
  b: {image: y, env_file: /etc/sluice-none/b.env, network_mode: host}
"""
    read = project(text, {"own.env": "A=1\n"})
    # Compose reads services in no order.
    assert sorted(f.key for f in read.found("decide")) == [
        "env_file /etc/sluice-none/b.env",
        "env_file /etc/sluice-none/shop.env",
    ]
    assert "env_file: shop.env in the project" in read.said("decide")
    # The rest is read all the same.
    assert read.services["a"]["env"] == {"A": "1"} and "network_mode" in read.said("refused")


def test_several_files_are_one_project(project: Read) -> None:
    files = {"prod.yml": "services: {a: {command: !override [two], environment: {B: 2}}}"}
    text = "services: {a: {image: x, command: [one], environment: {A: 1}}}"
    a = project(text, files, files=["compose.yml", "prod.yml"]).services["a"]
    assert a["command"] == ["two"] and a["env"] == {"A": "1", "B": "2"}


def test_a_file_that_is_not_there_is_named_with_those_that_are(project: Read) -> None:
    read = project("services: {}", files=["gone.yml"])
    assert "there is no gone.yml" in read.said("refused") and "files: [compose.yml]" in read.said("refused")


def test_the_table_shows_it_at_a_glance(project: Read) -> None:
    table = "\n".join(project(SHOP).read.data()["table"])
    for word in ("SERVICE", "app", "web", "postgres:16", "compose.yml:5", "To be decided:", "make secrets"):
        assert word in table
