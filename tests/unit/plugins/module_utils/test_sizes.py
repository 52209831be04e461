# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, 0),
        (500, 500),
        (500.0, 500),
        ("500", 500),
        ("500B", 500),
        ("1kB", 1000),
        ("1 KB", 1000),
        ("1KiB", 1024),
        ("500MB", 500_000_000),
        ("500mb", 500_000_000),
        ("500 MiB", 524_288_000),
        ("1.5GB", 1_500_000_000),
        ("1.5GiB", 1_610_612_736),
        (" 2TB ", 2_000_000_000_000),
        ("2TiB", 2_199_023_255_552),
        ("0.0001MB", 100),
        ("0.1GiB", 107_374_182),
        ("64m", 67_108_864),
        ("1.5G", 1_610_612_736),
        ("500k", 512_000),
    ],
)
def test_parses_what_people_write(written, expected):
    assert parse_size(written) == expected


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "not a size"),
        ("MB", "not a size"),
        ("big", "not a size"),
        ("1,5GB", "not a size"),
        ("1e3MB", "not a size"),
        ("1.MB", "not a size"),
        ("½MB", "not a size"),
        ("٣MB", "not a size"),
        ("500MB 1", "not a size"),
        (None, "not a size"),
        (True, "not a size"),
        (float("nan"), "not a size"),
        ([500], "not a size"),
        ("9" * 31, "not a size"),
        ("-1", "is negative"),
        (-500, "is negative"),
        ("-5MB", "is negative"),
        ("500Mbit", "unknown unit 'Mbit'"),
        ("500PB", "unknown unit 'PB'"),
        ("1.5", "fraction of a byte"),
        ("0.5B", "fraction of a byte"),
    ],
)
def test_refuses_nonsense_and_names_the_setting(written, says):
    with pytest.raises(UserError) as caught:
        parse_size(written, "max_size")
    assert says in str(caught.value)
    assert str(caught.value).startswith("max_size: ")


@pytest.mark.parametrize(
    ("size", "decimal", "binary"),
    [
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1000, "1.0 kB", "1000 B"),
        (1024, "1.0 kB", "1.0 KiB"),
        (999_949, "999.9 kB", "976.5 KiB"),
        (999_999, "1.0 MB", "976.6 KiB"),
        (312_400_000, "312.4 MB", "297.9 MiB"),
        (1_610_612_736, "1.6 GB", "1.5 GiB"),
        (5_000_000_000_000_000, "5000.0 TB", "4547.5 TiB"),
        (-2_500_000, "-2.5 MB", "-2.4 MiB"),
    ],
)
def test_formats_for_a_reader(size, decimal, binary):
    assert format_size(size) == decimal
    assert format_size(size, binary=True) == binary


@given(st.integers(min_value=0, max_value=10**15), st.booleans())
@settings(max_examples=150, derandomize=True)
def test_what_is_formatted_parses_back_to_within_its_last_digit(size, binary):
    back = parse_size(format_size(size, binary=binary))
    assert abs(back - size) <= size * 0.06
