# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.plugins.modules import docker_host_preflight as module


def test_a_proxy_s_password_is_in_no_output(capsys):
    daemon = {"proxies": {"http-proxy": "http://me:pl4nted%20word@proxy:3128"}}
    with patch_module_args({"source": "distribution", "config": {"daemon": daemon}}), pytest.raises(SystemExit):
        module.main()
    told = capsys.readouterr().out
    assert "proxy:3128" in told
    assert "pl4nted" not in told
