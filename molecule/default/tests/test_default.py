testinfra_hosts = ["ssh://debian13", "ssh://debian12"]


def test_x(host):
    assert host.file("/etc/os-release").exists
