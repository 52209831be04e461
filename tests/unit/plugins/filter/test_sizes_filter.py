# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.sluice.deploy.plugins.filter.sizes import FilterModule

FILTERS = FilterModule().filters()


def test_bytes_and_back():
    assert FILTERS["size_bytes"]("1.5GiB") == 1_610_612_736
    assert FILTERS["size_human"](312_400_000) == "312.4 MB"
    assert FILTERS["size_human"]("500MB", binary=True) == "476.8 MiB"


@pytest.mark.parametrize("name", ["size_bytes", "size_human"])
def test_nonsense_is_a_template_error_that_names_the_filter(name):
    with pytest.raises(AnsibleFilterError, match=f"{name}: size: 'much' is not a size"):
        FILTERS[name]("much")
