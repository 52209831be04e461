"""What a scan leaves behind on a server: no secret, and nothing for others to read."""

from __future__ import annotations

testinfra_hosts = ["ssh://debian13"]


def test_the_state_file_is_private_and_holds_no_secret(host):
    state = host.file("/root/scan-state.json")
    assert state.mode == 0o600
    secret = host.file("/root/secret").content_string
    assert not [i for i in range(len(secret) - 5) if secret[i : i + 6] in _without_hex(state.content_string)]


def _without_hex(text: str) -> str:
    """Digests are hexadecimal like the secret, and so share runs of six digits with it by chance only."""
    return " ".join(word for word in text.split('"') if len(word) not in (24, 32, 64))


def test_neither_the_journal_nor_the_cache_holds_the_secret(host):
    secret = host.file("/root/secret").content_string
    journal = host.check_output("journalctl --identifier=ansible-log_secret_scan --identifier=python3 --no-pager")
    assert secret[:12] not in journal
    assert host.run("grep -rqaF -f /root/secret /var/cache/sluice").rc == 1
    assert host.file("/var/cache/sluice/secretscan").mode == 0o700
