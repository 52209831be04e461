"""What each service of a project is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.composefile.proxies import passes_on

Read = Callable[..., Any]

SHOP = """
services:
  proxy:
    image: traefik:v3.1
    ports: ["80:80", "443:443"]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]
  db:
    image: postgres:16
    restart: "no"
    volumes: [data:/var/lib/postgresql/data]
    healthcheck: {test: [CMD, pg_isready]}
  migrate:
    image: shop
    command: migrate
    depends_on: {db: {condition: service_healthy}}
  app:
    image: shop
    ports: ["3000:3000"]
    depends_on: {migrate: {condition: service_completed_successfully}}
  pdf: {image: gotenberg/gotenberg:8}
  worker: {image: shop, command: work, environment: {PDF: "http://pdf:3000/"}}
  beat: {image: shop, command: celery -A shop beat}
volumes: {data: }
"""


def test_kinds(project: Read) -> None:
    read = project(SHOP)
    assert read.kinds() == {
        "proxy": "edge",
        "db": "data",
        "migrate": "job",
        "app": "web",
        "pdf": "internal",
        "worker": "worker",
        "beat": "worker",
    }
    assert read.routes == [{"path": "/", "service": "app"}] and read.services["app"]["port"] == 3000
    assert read.services["app"]["depends_on"] == {"migrate": "completed"}
    assert read.services["migrate"]["depends_on"] == {"db": "healthy"}
    assert read.services["beat"]["order"] == "stop_first"
    assert read.services["db"] | {"stateful": True, "backup": "postgres"} == read.services["db"]
    assert "proxy" not in read.services
    assert not read.found("decide") and not read.found("refused")


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("infisical/infisical:latest-postgres", "worker"),
        ("registry:5000/library/postgres", "data"),
        ("ghcr.io/immich-app/postgres:14@sha256:" + 64 * "0", "data"),
        ("bitnami/redis", "data"),
        ("prometheuscommunity/postgres-exporter", "worker"),
    ],
)
def test_the_repository_says_what_is_data_never_the_tag(project: Read, image: str, kind: str) -> None:
    assert project(f"services: {{it: {{image: '{image}'}}}}").kinds() == {"it": kind}


def test_a_database_is_known_by_where_it_keeps_its_files(project: Read) -> None:
    read = project("services: {it: {image: acme/store, volumes: ['files:/var/lib/mysql']}}\nvolumes: {files: }")
    assert read.kinds() == {"it": "data"}


def test_a_database_is_known_by_what_its_image_is_built_from(project: Read) -> None:
    dockerfile = "ARG V=16\nFROM alpine AS tools\nFROM postgres:${V} AS db\nCOPY --from=tools /x /x\nEXPOSE 5432\n"
    read = project("services: {it: {build: ./db}}", {"db/Dockerfile": dockerfile})
    assert read.kinds() == {"it": "data"}


def test_a_databases_own_client_is_a_job(project: Read) -> None:
    text = """
services:
  mongo: {image: "mongo:7", command: [--replSet, rs0]}
  init: {image: "mongo:7", depends_on: [mongo], command: [mongosh, --host, mongo, --eval, rs.initiate()]}
"""
    assert project(text).kinds() == {"mongo": "data", "init": "job"}


def test_two_databases_on_one_volume_are_asked_about(project: Read) -> None:
    text = """
services:
  mongo: {image: "mongo:7", volumes: ["files:/data/db"]}
  chown: {image: "mongo:7", entrypoint: chown -R 1001 /data/db, volumes: ["files:/data/db"]}
volumes: {files: }
"""
    read = project(text)
    assert "chown, mongo" in read.said("decide")
    told = project(text, routes=[], corrections={"chown": {"kind": "job"}, "mongo": {"kind": "data"}})
    assert told.kinds() == {"mongo": "data", "chown": "job"} and not told.found("decide")


NGINX = """
services:
  app: {image: shop, expose: [8000]}
  nginx:
    image: nginx:1.27
    ports: ["80:80"]
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    depends_on: [app]
"""


def test_a_proxy_that_only_passes_on_is_the_edge(project: Read) -> None:
    conf = "upstream app { server app:8000; }\nserver {\n  listen 80;\n  location / {\n    proxy_pass http://app;\n  }\n}\n"
    read = project(NGINX, {"nginx.conf": conf})
    assert read.kinds() == {"app": "web", "nginx": "edge"}


def test_a_proxy_that_serves_files_is_a_part_of_the_app(project: Read) -> None:
    conf = "server {\n  root /srv;\n  location ~ \\.php$ {\n    fastcgi_pass app:9000;\n  }\n}\n"
    read = project(NGINX, {"nginx.conf": conf}, routes=[{"path": "/", "service": "nginx"}])
    assert read.kinds() == {"app": "internal", "nginx": "web"}
    assert read.services["nginx"]["port"] == 80
    assert [f["path"] for f in read.services["nginx"]["files"]] == ["/etc/nginx/nginx.conf"]


def test_one_that_also_ends_tls_is_asked_about(project: Read) -> None:
    conf = "server {\n  root /srv;\n}\n"
    text = NGINX.replace('["80:80"]', '["80:80", "443:443"]')
    read = project(text, {"nginx.conf": conf}, routes=[{"path": "/", "service": "nginx"}])
    assert "ends TLS" in read.said("decide")


def test_what_a_dropped_proxy_also_passes_on_is_told(project: Read) -> None:
    text = 'services: {caddy: {image: "caddy:2", ports: ["80:80", "25:25"]}, app: {image: a, expose: [80]}}'
    assert "25:25" in project(text).said("decide")


def test_data_that_waits_for_the_release_is_asked_about(project: Read) -> None:
    text = """
services:
  app: {image: a, ports: ["80:80"]}
  db: {image: "postgres:16", depends_on: {app: {condition: service_started}}}
"""
    assert "services.db.depends_on.app" in project(text).said("decide")


def test_corrections(project: Read) -> None:
    told = {
        "app": {"kind": "internal"},
        "pdf": {"kind": "web", "port": 3000, "order": "stop_first"},
        "gone": {"kind": "x"},
    }
    read = project(SHOP, corrections=told, routes=[{"path": "/", "service": "pdf"}])
    assert read.kinds()["app"] == "internal"
    assert read.services["pdf"]["role"] == "web" and read.services["pdf"]["order"] == "stop_first"
    assert "kind" not in read.services["pdf"]
    refused = read.said("refused")
    assert "stack_compose_services.gone: the project has no such service" in refused
    assert "'x' is none of" in refused


def test_every_mistake_of_the_corrections_is_in_one_answer(project: Read) -> None:
    told = {
        "app": {"ordr": "overlap", "allow": "docker_socket", "port": "web"},
        "pdf": {"ports": ["3000:3000"], "order": "stopfirst", "mounts": {"/x": "dta"}},
        "worker": "job",
        "wroker": {"kind": "jobb", "allow": ["priviledged"]},
        "db": None,
    }
    read = project(SHOP, corrections=told, routes=[{"path": "/", "service": "app"}])
    refused = {f.key.removeprefix("stack_compose_services."): f.text for f in read.found("refused")}
    assert refused == {
        "app.ordr": "unknown key (did you mean 'order'?)",
        "app.allow": "expected a list",
        "app.port": "'web' is not a whole number from 1 to 65535",
        "pdf.ports": "unknown key; port names the one that the edge asks, publish those of the server",
        "pdf.order": "'stopfirst' is none of overlap, stop_first (did you mean 'stop_first'?)",
        "pdf.mounts./x": "'dta' is none of data, file, server, none (did you mean 'data'?)",
        "worker": "expected a mapping such as {order: overlap}",
        "wroker.kind": "'jobb' is none of edge, job, data, web, internal, worker, none (did you mean 'job'?)",
        "wroker.allow": "'priviledged' is none of docker_socket, privileged (did you mean 'privileged'?)",
        "wroker": "the project has no such service (did you mean 'worker'?)",
        "db": "expected a mapping such as {order: overlap}",
    }


def test_mistakes_of_the_corrections_are_told_of_files_that_compose_refuses_too(project: Read) -> None:
    read = project("services: {app: {imgae: a}}", corrections={"app": {"ordr": "overlap"}})
    assert [f.key for f in read.found("refused")] == ["stack_compose_services.app.ordr", "compose.yml"]


def test_names_that_are_no_names_of_the_description_stay_names(project: Read) -> None:
    text = """
services:
  my_App.v2: {image: a, container_name: the-app, hostname: app.local, networks: {n: {aliases: [shop]}}}
  a_service_with_a_very_long_name: {image: b, links: ["my_App.v2:backend"]}
networks: {n: }
"""
    read = project(text)
    long, short = read.services
    assert short == "my-app-v2" and len(long) == 24
    assert read.services[short]["aliases"] == ["my_App.v2", "the-app", "app.local", "shop", "backend"]
    assert read.services[long]["aliases"] == ["a_service_with_a_very_long_name"]


@pytest.mark.parametrize(
    ("location", "only_passes"),
    [("proxy_pass http://web:8000;", True), ("proxy_pass http://web:8000; root /srv;", False)],
)
def test_a_proxy_is_known_by_a_location_on_one_line(tmp_path: Path, location: str, only_passes: bool) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"http {{ server {{ listen 80; location / {{ {location} }} }} }}\n")
    mount = {"type": "bind", "source": str(conf), "target": "/etc/nginx/nginx.conf"}
    assert passes_on({"image": "nginx", "volumes": [mount]}, {}) is only_passes
