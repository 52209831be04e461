"""Mounts, ports and routes of a project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.sluice.deploy.plugins.module_utils.composefile.findings import Findings
from ansible_collections.sluice.deploy.plugins.module_utils.composefile.mounts import Reader, Tree

Read = Callable[..., Any]


def test_a_path_far_above_the_copy_is_none_of_the_server() -> None:
    findings = Findings()
    tree = Tree("/stacks/shop/project/shop", "/stacks/shop/project/shop", "/data", copies="/stacks")
    mounts = [
        {"type": "bind", "source": source, "target": f"/at{number}"}
        for number, source in enumerate(("/stacks/shop/far", "/stacks/further", "/srv/of-the-server"))
    ]
    mounted = Reader("web", tree, {}, {}, False, findings).read(mounts)
    assert [volume["source"] for volume in mounted.volumes] == ["/srv/of-the-server"]
    assert [f.text.split(" leads")[0] for f in findings.all] == ["the path ../../far", "the path ../../../further"]


def test_what_lies_in_the_checkout_is_a_file_of_the_release(project: Read) -> None:
    text = """
services:
  it:
    image: a
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro", "./init:/docker-entrypoint-initdb.d", "./data:/data"]
    configs: [{source: motd, target: /etc/motd, mode: 0440, uid: "7"}]
configs: {motd: {content: "hello $$x"}}
"""
    it = project(text, {"nginx.conf": "x", "init/a.sql": "y", "data/.gitkeep": ""}).services["it"]
    files = [{**f, "source": f["source"].rpartition("/")[2]} if "source" in f else f for f in it["files"]]
    assert files == [
        {"path": "/etc/nginx/nginx.conf", "source": "nginx.conf", "read_only": True},
        {"path": "/docker-entrypoint-initdb.d", "source": "init"},
        {"path": "/etc/motd", "content": "hello $x", "mode": "0440", "uid": 7, "read_only": True},
    ]
    assert it["volumes"] == [{"source": "/data/data", "path": "/data", "backup": True}]


def test_a_file_that_is_not_there_is_no_directory(project: Read) -> None:
    read = project("services: {it: {image: a, volumes: ['./app.conf:/etc/app.conf']}}", routes=[])
    assert "./app.conf is not in the project" in read.said("decide")
    assert "volumes" not in read.services["it"]


def test_a_directory_with_files_that_can_be_written_to_is_asked_about(project: Read) -> None:
    text = "services: {it: {image: a, volumes: ['./uploads:/srv/uploads']}}"
    read = project(text, {"uploads/logo.png": "x"}, routes=[])
    assert "mounts: {/srv/uploads: data}" in read.said("decide")
    told = {"it": {"mounts": {"/srv/uploads": "file"}}}
    assert project(text, {"uploads/logo.png": "x"}, routes=[], corrections=told).services["it"]["files"]


def test_a_path_out_of_the_project_is_refused(project: Read) -> None:
    assert "leads out of the project" in project("services: {it: {image: a, volumes: ['../x:/x']}}").said("refused")


def test_a_volume_that_both_colours_would_write_to_stops_the_old_first(project: Read) -> None:
    text = """
services:
  app: {image: a, ports: ["80:80"], volumes: ["db:/app/data"]}
  media: {image: a, volumes: ["up:/srv/uploads"]}
  one: {image: a, volumes: ["both:/x"]}
  two: {image: a, volumes: ["both:/y"]}
volumes: {db: , up: , both: }
"""
    read = project(text)
    assert {n: s.get("order") for n, s in read.services.items()} == {
        "app": "stop_first",
        "media": "overlap",
        "one": "overlap",
        "two": "overlap",
    }
    assert "stack_compose_services: {app: {order: overlap}}" in read.said("note")


def test_a_port_that_is_not_http_stays_where_nothing_is_doubled(project: Read) -> None:
    text = """
services:
  jvb: {image: jitsi/jvb, ports: ["10000:10000/udp"]}
  mqtt: {image: "eclipse-mosquitto:2", ports: ["127.0.0.1:1883:1883", "9001:9001"]}
  db: {image: "postgres:16", ports: ["5432:5432"]}
"""
    read = project(text, routes=[])
    assert "stack_compose_services: {jvb: {order: stop_first}}" in read.said("decide")
    assert "publish" not in read.services["jvb"] and "publish" not in read.services["db"]
    assert read.services["mqtt"]["publish"] == [{"port": 1883, "published": 1883, "address": "127.0.0.1"}]
    told = project(text, routes=[], corrections={"jvb": {"order": "stop_first"}})
    assert told.services["jvb"]["publish"] == [{"port": 10000, "published": 10000, "protocol": "udp"}]


def test_two_services_that_want_one_port_are_named(project: Read) -> None:
    text = 'services: {a: {image: x, ports: ["8080:80"]}, b: {image: y, ports: ["8080:81"]}}'
    assert "8080/tcp of the server is wanted by a and b" in project(text).said("decide")


def test_several_services_that_could_answer_are_listed_with_the_line_to_add(project: Read) -> None:
    text = 'services: {api: {image: x, ports: ["1:8000"]}, web: {image: y, ports: ["2:3000"]}}'
    said = project(text).said("decide")
    assert "api:8000, web:3000" in said and "stack_routes: [{path: /, service: api, port: 8000}]" in said


def test_a_route_names_one_of_several_ports(project: Read) -> None:
    text = 'services: {s3: {image: x, ports: ["9000:9000", "9001:9001"]}}'
    routes = [
        {"path": "/", "service": "s3", "port": 9000},
        {"path": "/", "service": "s3", "port": 9001, "host": "c.example.com"},
    ]
    read = project(text, routes=routes)
    assert (
        read.routes == [{"path": "/", "service": "s3"}, routes[1]]
        and read.services["s3"]["port"] == 9000
        and not read.found("decide")
    )
    assert "9000, 9001" in project(text, routes=[{"path": "/", "service": "s3"}]).said("decide")


TRAEFIK = """
services:
  web:
    image: a
    labels:
      - traefik.http.routers.web.rule=Host(`$DOMAIN`)
      - traefik.http.services.web.loadbalancer.server.port=3000
  api:
    image: b
    labels:
      traefik.http.routers.api.rule: Host(`api.$DOMAIN`) && (PathPrefix(`/v1`) || PathPrefix(`/v2`))
      traefik.http.services.api.loadbalancer.server.port: "8000"
"""


def test_labels_of_traefik_are_routes(project: Read) -> None:
    read = project(TRAEFIK.replace("$DOMAIN", "localhost"))
    assert read.routes == [
        {"path": "/v1", "service": "api", "host": "api.shop.example.com"},
        {"path": "/v2", "service": "api", "host": "api.shop.example.com"},
        {"path": "/", "service": "web"},
    ]
    assert not read.found("decide")


def test_a_rule_that_is_no_route_is_told(project: Read) -> None:
    rule = "HostRegexp(`{any:.+}`)"
    read = project(f"services: {{a: {{image: a, labels: {{traefik.http.routers.a.rule: '{rule}'}}}}}}")
    assert "no route can be made of" in read.said("decide")


def test_nginx_proxys_variables_are_routes(project: Read) -> None:
    env = "{VIRTUAL_HOST: 'shop.example.com,www.shop.example.com', VIRTUAL_PORT: 8000}"
    read = project(f"services: {{a: {{image: a, environment: {env}}}}}")
    assert read.routes == [{"path": "/", "service": "a"}] and read.services["a"]["port"] == 8000
