from __future__ import annotations

from ansible_collections.sluice.deploy.plugins.filter.settings import unknown_settings


def test_misspelt_names_get_a_hint():
    assert unknown_settings(["edge_prot", "edge_port", ""], ["edge_port"]) == [
        "edge_prot is not a setting (did you mean 'edge_port'?)"
    ]


def test_nothing_near_gives_no_hint():
    assert unknown_settings(["edge_zzz"], ["edge_acme_email"]) == ["edge_zzz is not a setting"]
