from __future__ import annotations

from ansible_collections.sluice.deploy.plugins.filter.stack import stack_mistakes

SERVICE = {"image": "api:1", "port": 80, "health": {"path": "/"}, "secrets": ["TOKEN"]}


def test_a_good_description_has_none():
    assert stack_mistakes({"name": "shop", "services": {"api": SERVICE}}, {"TOKEN": "k8d2#xyz"}) == []


def test_every_mistake_is_a_sentence():
    described = {"name": "S", "services": {"api": {**SERVICE, "prot": 1}}}
    assert [m.split()[0] for m in stack_mistakes(described, {})] == ["stack_services.api.prot:", "stack_name:"]


def test_secrets_are_looked_at_too_and_never_shown():
    (told,) = stack_mistakes({"name": "shop", "services": {"api": SERVICE}}, {"TOKEN": 918273645})
    assert told.startswith("stack_secrets.TOKEN: expected text")
    assert "918273645" not in told
