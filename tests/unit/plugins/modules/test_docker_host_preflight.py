# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.plugins.modules import docker_host_preflight as module

ADDRESS = "http://me:pl4nted%20word@proxy:3128"


@pytest.mark.parametrize(
    "given",
    [
        {"config": {"daemon": {"proxies": {"http-proxy": ADDRESS}}}},
        {"config": {}, "apt_settings": {"docker_host_apt_url": ADDRESS}},
        {"config": {}, "apt_source": {"uris": ADDRESS}},
    ],
    ids=["a proxy", "the engine's repository", "another repository"],
)
def test_an_address_s_password_is_in_no_output(capsys, given):
    with patch_module_args({"source": "distribution", **given}), pytest.raises(SystemExit):
        module.main()
    told = capsys.readouterr().out
    assert "proxy:3128" in told
    assert "pl4nted" not in told
    assert ("its address holds a password" in told) == ("daemon" not in given["config"])


def test_a_password_that_an_earlier_version_wrote_is_in_no_output(capsys, tmp_path):
    source = tmp_path / "docker.sources"
    source.write_text(f"URIs: {ADDRESS}\n")
    source.chmod(0o644)
    with (
        patch_module_args({"source": "distribution", "config": {}, "files": [str(source)]}),
        pytest.raises(SystemExit),
    ):
        module.main()
    told = capsys.readouterr().out
    assert "proxy:3128" in told
    assert "pl4nted" not in told
