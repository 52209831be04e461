"""The transaction around daemon.json, with the engine's commands replaced by scripts that answer as told."""

from __future__ import annotations

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.modules import docker_daemon_config as module


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A directory of commands; each logs its call and exits as the file of its name with .rc says."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("dockerd", "docker", "systemctl", "journalctl"):
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n[ ! -e {tmp_path}/{name}.out ] || cat {tmp_path}/{name}.out >&2\n'
                           f'case "{name} $1" in "systemctl restart") ;; *) [ "{name}" != docker ] || exit 0;; esac\n'
                           f'[ ! -e {tmp_path}/{name}.$1.rc ] || exit $(cat {tmp_path}/{name}.$1.rc)\n')  # fmt: skip
        command.chmod(0o755)
    return tmp_path


def test_a_running_engine_is_restarted(engine):
    path = engine / "etc/daemon.json"
    assert module.replace_file(path, "{}\n", True, 1) is True
    assert path.read_text() == "{}\n"
    calls = (engine / "calls").read_text()
    assert calls.index("dockerd --validate") < calls.index("systemctl reload") < calls.index("systemctl restart")


def test_a_stopped_engine_is_left_alone(engine):
    (engine / "systemctl.is-active.rc").write_text("3")
    assert module.replace_file(engine / "daemon.json", "{}\n", True, 1) is False
    assert "restart" not in (engine / "calls").read_text()


def test_a_refused_file_never_takes_the_place(engine):
    path = engine / "daemon.json"
    path.write_text("old")
    (engine / "dockerd.--validate.rc").write_text("1")
    (engine / "dockerd.out").write_text("unable to configure: log-level\n")
    with pytest.raises(UserError, match="dockerd refuses the configuration, nothing was changed: unable to configure"):
        module.replace_file(path, "{}", True, 1)
    assert path.read_text() == "old"
    assert not list(engine.glob(".daemon.json*"))


def test_the_former_file_comes_back(engine):
    path = engine / "daemon.json"
    path.write_text("old")
    (engine / "systemctl.restart.rc").write_text("1")
    with pytest.raises(UserError, match=r"did not start with the new daemon\.json"):
        module.replace_file(path, "{}", True, 1)
    assert path.read_text() == "old"


@pytest.mark.parametrize("refused", [False, True], ids=["taken", "refused"])
def test_a_proxy_s_password_is_in_no_output(engine, capsys, refused):
    path = engine / "daemon.json"
    path.write_text('{"proxies": {"http-proxy": "http://me:old%20pass9@proxy:3128"}}')
    if refused:
        (engine / "dockerd.--validate.rc").write_text("1")
        (engine / "dockerd.out").write_text("bad address http://me:new-pass-77@proxy:3128\n")
    config = {"proxies": {"http-proxy": "http://me:new-pass-77@proxy:3128"}}
    given = {"config": config, "path": str(path), "restart": False, "_ansible_diff": True}
    with patch_module_args(given), pytest.raises(SystemExit):
        module.main()
    told = capsys.readouterr().out
    assert "proxy:3128" in told
    assert not any(word in told for word in ("new-pass-77", "old%20pass9", "old pass9"))
