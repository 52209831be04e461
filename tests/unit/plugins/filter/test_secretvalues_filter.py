"""The filters around secret values, as templates call them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.sluice.deploy.plugins.filter.secretvalues import FilterModule

FILTERS = FilterModule().filters()


def test_redact_takes_a_mapping_or_a_list() -> None:
    assert FILTERS["redact"]("x hunter22 y", {"A": "hunter22"}) == "x *** y"
    assert FILTERS["redact"]("x hunter22 y", ["hunter22"], mask="-") == "x - y"


def test_dotenv_quote_takes_numbers() -> None:
    assert FILTERS["dotenv_quote"](12) == "12"


def test_dsn_speaks_ansible_s_language() -> None:
    with pytest.raises(AnsibleFilterError, match="scheme is missing"):
        FILTERS["dsn"]({"host": "db"})
