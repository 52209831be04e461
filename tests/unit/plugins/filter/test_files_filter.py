# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.filter.files import FilterModule

UNLIKE = FilterModule().filters()["unlike"]
FILES = [
    {"path": "/a", "content": "text\n", "state": "present"},
    {"path": "/b", "content": "of no meaning", "state": "absent"},
]


@pytest.mark.parametrize(
    ("read", "told"),
    [
        ({"/a": "text\n", "/b": "", "/c": "another's"}, False),
        ({"/a": "text", "/b": ""}, True),
        ({"/a": None, "/b": ""}, True),
        ({"/a": "text\n", "/b": "left over"}, True),
        ({"/a": "text\n"}, True),
    ],
    ids=["as it should be", "changed", "of another mode", "to go", "not looked at"],
)
def test_files_that_are_otherwise_are_told(read, told):
    assert UNLIKE(FILES, read) is told
