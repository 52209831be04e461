"""The main playbook, run with roles that do nothing but say that they were there."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[2]
PLAYBOOKS = PROJECT / "playbooks"
BIN = pathlib.Path(sys.executable).parent
PLAYBOOK = BIN / "ansible-playbook"
pytestmark = pytest.mark.skipif(not PLAYBOOK.exists(), reason="this interpreter has no ansible-playbook beside it")
ROLES = {
    "docker_host": (),
    "nginx_certbot": ("wait",),
    "compose_stack": ("carried",),
    "dokploy_api": ("checks",),
    "verify": (),
}
SAID = '- {name: Said, ansible.builtin.debug: {msg: "%s at {{ inventory_hostname }}"}}\n'
FAILS = "- {name: Judged, ansible.builtin.assert: {that: not (sick | default(false))}}\n"
STACK = """
    stack_domain: a.example
    stack_services: {web: {image: "web:1", port: 80, health: {path: /}}}
    stack_routes: [{path: /, service: web}]
    nginx_certbot_certificate: self_signed
"""
INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_become: false
    ansible_python_interpreter: "%s"
    STACK
compose:
  vars: {stack_name: crm}
  hosts: {one: {sick: true}, two: {sick: %s}}
dokploy:
  hosts: {three: {dokploy_api_state: present, dokploy_api_host_access: false, dokploy_api_name: crm,
                   dokploy_api_domains: []}}
"""
DOKPLOY = """
dokploy:
  vars: {ansible_connection: local, ansible_become: false, ansible_python_interpreter: "%s", dokploy_api_name: crm,
         dokploy_api_state: present, dokploy_api_host_access: false, dokploy_api_domains: []}
  hosts:
    named: {stack_domain: a.example}
    listed: {dokploy_api_domains: [{service: web, host: b.example}]}
    worker: {}
"""


SWARM = """
all:
  vars:
    ansible_connection: local
    ansible_become: false
    ansible_python_interpreter: "%s"
    stack_name: crm
    STACK
swarm:
  vars: {swarm_edge_nodes: [m2, w1]}
  hosts: {gone: {swarm_state: absent}, m1: {swarm_role: manager}, m2: {swarm_role: manager}, w1: {}}
"""


def play(
    directory: pathlib.Path, *words: str, all_sick: bool = False, inventory: str = "", playbook: str = "site"
) -> subprocess.CompletedProcess[str]:
    collection = directory / "ansible_collections/sluice/deploy"
    collection.mkdir(parents=True)
    (collection / "plugins").symlink_to(PROJECT / "plugins")
    for role, further in ROLES.items():
        tasks = collection / "roles" / role / "tasks"
        tasks.mkdir(parents=True)
        for name in ("main", *further):
            said = SAID % (role if name == "main" else f"{role}, {name},")
            (tasks / f"{name}.yml").write_text(said + (FAILS if role == "verify" else ""))
    # A swarm's lead is asked for its address.
    docker = directory / "bin/docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho 192.0.2.1\n")
    docker.chmod(0o755)
    (directory / "inventory.yml").write_text(
        (inventory or INVENTORY % (sys.executable, str(all_sick).lower())).replace("STACK", STACK)
    )
    return subprocess.run(
        [PLAYBOOK, "-i", "inventory.yml", str(PROJECT / f"playbooks/{playbook}.yml"), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(directory),
            "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{docker.parent}:{os.environ['PATH']}",
        },
    )


def test_where_nothing_may_log_in_the_controller_reads_compose_files_or_says_what_it_lacks(tmp_path):
    host = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "dokploy_api_url": "https://192.0.2.1"}
    project = {"stack_name": "shop", "stack_compose": {"directory": str(tmp_path)}}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"dokploy": {"hosts": {"one": {**host, **project}}}}))
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho no compose here >&2; exit 1\n")
    docker.chmod(0o755)
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "PATH": f"{docker.parent}:{os.environ['PATH']}"}
    run = subprocess.run(
        [PLAYBOOK, "-i", inventory, "playbooks/site.yml", "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env=environment,
    )
    said = " ".join(run.stdout.split())
    assert "It is the controller that needs it, since nothing logs in to a Dokploy server" in said, run.stdout
    assert "UNREACHABLE" not in said and run.returncode != 0


@pytest.mark.parametrize("all_sick", [False, True])
def test_a_failed_check_leaves_no_other_stack_unlooked_at(all_sick, tmp_path):
    run = play(tmp_path, "--tags", "verify", all_sick=all_sick)
    for host in ("one", "two", "three"):
        assert f"verify at {host}" in run.stdout, run.stdout + run.stderr
    assert run.returncode != 0
    assert "one: the part verify failed, see above. All others were looked at." in run.stdout


def test_a_failed_check_keeps_a_release_from_the_hosts_after_it(tmp_path):
    run = play(tmp_path, all_sick=False)
    assert "compose_stack at one" in run.stdout, run.stdout + run.stderr
    assert "docker_host at two" not in run.stdout
    assert "Hosts after it were not touched." in run.stdout
    assert run.returncode != 0


def test_a_stack_without_a_domain_is_refused_where_it_has_what_visitors_would_reach(tmp_path):
    run = play(tmp_path, "--extra-vars", "stack_domain=")
    assert "stack_domain is missing" in " ".join(run.stdout.split()), run.stdout + run.stderr
    assert " at one" not in run.stdout
    assert run.returncode != 0


def test_a_stack_that_nobody_visits_has_no_place_on_the_edge_and_is_looked_at_on_its_host(tmp_path):
    alone = {"stack_domain": "", "stack_routes": [], "stack_services": {"db": {"image": "db:1", "stateful": True}}}
    run = play(tmp_path, "--limit", "two", "--extra-vars", json.dumps(alone))
    assert said(run, "docker_host") == said(run, "compose_stack") == said(run, "verify") == {"two"}
    assert "nginx_certbot at" not in run.stdout and "nginx_certbot, wait, at" not in run.stdout


def test_every_value_that_cannot_be_is_named_before_a_host_is_touched(tmp_path):
    wrong = {
        "docker_host_log_max_size": "much",
        "nginx_certbot_http_port": 0,
        "nginx_certbot_body_size": "{{ 'lots' }}",
        "compose_stack_minimum_free": "some",
        "docker_host_registries": {"r:5000": {"ca": "{{ inventory_dir | dirname }}/none.crt"}},
        "stack_drain": "soon",
    }
    run = play(tmp_path, "--extra-vars", json.dumps(wrong))
    for name in wrong:
        assert re.search(rf"{name}(\.r:5000\.ca)?: ", " ".join(run.stdout.split())), run.stdout + run.stderr
    assert " at one" not in run.stdout
    assert run.returncode != 0


def test_every_misspelt_setting_is_named_before_a_host_is_touched(tmp_path):
    wrong = {
        "docker_host_log_maxsize": "10m",
        "nginx_certbot_csp_mod": "app",
        "compose_stack_keep_relases": 3,
        "verify_hedders": [],
    }
    run = play(tmp_path, "--extra-vars", json.dumps(wrong))
    for name, meant in zip(wrong, ("log_max_size", "csp_mode", "keep_releases", "headers"), strict=True):
        assert re.search(rf"{name} is not a setting \(did you mean '\w+{meant}'", " ".join(run.stdout.split()))
    assert " at one" not in run.stdout
    assert run.returncode != 0


def test_a_part_by_itself_asks_for_no_other_s_settings(tmp_path):
    run = play(tmp_path, "--tags", "compose_stack", "--extra-vars", json.dumps({"verify_hedders": {}}))
    assert said(run, "compose_stack") == {"one", "two"}


def test_of_a_part_that_is_left_out_nothing_is_judged(tmp_path):
    wrong = {"nginx_certbot_http_port": 0, "docker_host_users_wanted": []}
    run = play(tmp_path, "--skip-tags", "nginx_certbot,docker_host", "--extra-vars", json.dumps(wrong))
    assert "compose_stack at one" in run.stdout, run.stdout + run.stderr


def said(run: subprocess.CompletedProcess[str], role: str) -> set[str]:
    """The hosts at which a role has been."""
    assert run.returncode == 0, run.stdout + run.stderr
    return set(re.findall(rf"{role} at (\w+)", run.stdout))


def test_a_dokploy_service_that_no_domain_leads_to_is_deployed_and_is_no_site(tmp_path):
    run = play(tmp_path, inventory=DOKPLOY % sys.executable)
    assert said(run, "dokploy_api") == {"named", "listed", "worker"}
    assert said(run, "verify") == {"named", "listed"}


def test_the_nodes_of_a_swarm_are_made_ready_and_one_of_them_releases(tmp_path):
    run = play(tmp_path, inventory=SWARM % sys.executable)
    assert said(run, "docker_host") == {"m1", "m2", "w1"}
    assert said(run, "nginx_certbot") == {"m2", "w1"}
    assert said(run, "compose_stack") == said(run, "verify") == {"m2"}


@pytest.mark.parametrize("playbook", ["rollback", "restart", "backup", "start", "stop"])
def test_the_leading_node_speaks_for_its_swarm(playbook, tmp_path):
    assert said(play(tmp_path, inventory=SWARM % sys.executable, playbook=playbook), "compose_stack") == {"m2"}


@pytest.mark.parametrize("playbook", ["maintenance", "remove"])
def test_what_is_told_to_one_edge_of_a_swarm_is_told_to_all(playbook, tmp_path):
    run = play(tmp_path, "--extra-vars", "state=on", inventory=SWARM % sys.executable, playbook=playbook)
    assert said(run, "nginx_certbot") == {"m2", "w1"}
    assert said(run, "compose_stack") == ({"m2"} if playbook == "remove" else set())


@pytest.mark.parametrize("playbook", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda path: path.stem)
def test_a_group_that_swarms_alone_have_is_named_where_there_is_one(playbook):
    """Else Ansible warns everybody without a swarm of a host pattern that it could not match."""
    for play in yaml.safe_load(playbook.read_text(encoding="utf-8")):
        hosts = play.get("hosts", "")
        assert "swarm" not in hosts or "is defined" in hosts or "default([])" in hosts
