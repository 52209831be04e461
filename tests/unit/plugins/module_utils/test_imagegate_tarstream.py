# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import NotTarError, ShortStreamError
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.bytestream import (
    ByteStream,
    compression,
    unpacked,
)
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.tarstream import entries
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    DIRECTORY,
    pieces,
    tar,
)

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def read(data, size=1000):
    return [
        (entry.path.decode(), entry.size, entry.link.decode(), b"".join(entry.body.rest()))
        for entry in entries(ByteStream(pieces(data, size)))
    ]


def peer(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [
            (
                member.name + ("/" if member.isdir() else ""),
                member.size,
                member.linkname,
                archive.extractfile(member).read() if member.isfile() else b"",
            )
            for member in archive
        ]


@pytest.mark.parametrize("format", FORMATS)
def test_reads_what_the_standard_library_reads(format):
    members = [
        ("usr/", DIRECTORY),
        ("usr/short", b"x" * 700),
        ("usr/" + "d" * 60 + "/" + "f" * 60, b"split name"),
        ("usr/link", "short"),
        ("usr/exactly", b"y" * 512),
        ("usr/empty", b""),
    ]
    if format != tarfile.USTAR_FORMAT:
        members += [("usr/" + "deep/" * 60 + "ünïcode", b"long name"), ("usr/long", "t" * 200)]
    assert read(tar(members, format)) == peer(tar(members, format))


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=120)


@given(
    st.lists(st.tuples(names, st.binary(max_size=1500)), max_size=8),
    st.integers(min_value=1, max_value=3000),
    st.sampled_from(FORMATS[1:]),
)
@settings(max_examples=60, derandomize=True)
def test_pieces_of_any_length_read_alike(members, size, format):
    data = tar([(name.strip(".") or "x", content) for name, content in members], format)
    assert read(data, size) == peer(data)


def test_sizes_beyond_octal_are_understood():
    info = tarfile.TarInfo("huge")
    info.size = 10 * 1024**3
    stream = ByteStream([info.tobuf(tarfile.GNU_FORMAT)])
    assert next(entries(stream)).size == 10 * 1024**3


def test_what_is_left_unread_is_skipped():
    data = tar([("a", b"1" * 1300), ("b", b"2" * 5)])
    assert [entry.path for entry in entries(ByteStream(pieces(data)))] == [b"a", b"b"]


@pytest.mark.parametrize("length", [0, 1, 511, 512, 700, 1024, 1536, 2047])
def test_an_archive_that_ends_early_is_an_error(length):
    data = tar([("a", b"1" * 600), ("b", b"2" * 5)])
    with pytest.raises(ShortStreamError):
        read(data[:length])


@pytest.mark.parametrize("data", [b"no tar" * 200, b"{" * 2000, tar([("a", b"")])[:148] + b"0000000\0" + bytes(2000)])
def test_other_bytes_are_an_error(data):
    with pytest.raises(NotTarError):
        read(data)


@pytest.mark.parametrize("record", [b"99 path=x\n", b"x path=x\n", b"0 path=x\n", b"path"])
def test_a_malformed_extension_is_an_error(record):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    data = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + tar([("a", b"")])
    with pytest.raises(NotTarError):
        read(data)


@given(st.lists(st.binary(max_size=5000), min_size=1, max_size=3), st.integers(min_value=1, max_value=4000))
@settings(max_examples=40, derandomize=True)
def test_gzip_of_several_members_unpacks(parts, size):
    data = b"".join(gzip.compress(part) for part in parts) + bytes(20)
    assert b"".join(unpacked(ByteStream(pieces(data, size))).rest()) == b"".join(parts)


def test_gzip_that_ends_early_is_an_error():
    data = gzip.compress(bytes(range(256)) * 500)
    with pytest.raises(ShortStreamError):
        b"".join(unpacked(ByteStream(pieces(data[:-20]))).rest())


def test_damaged_gzip_is_an_error():
    data = bytearray(gzip.compress(bytes(range(256)) * 500))
    data[30:60] = bytes(30)
    with pytest.raises(ShortStreamError):
        b"".join(unpacked(ByteStream([bytes(data)])).rest())


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the program zstd is not installed")
def test_zstd_unpacks_and_its_early_end_is_an_error():
    plain = bytes(range(256)) * 5000
    data = subprocess.run(["zstd", "-cq"], input=plain, stdout=subprocess.PIPE, check=True).stdout
    assert compression(data) == "zstd"
    assert b"".join(unpacked(ByteStream(pieces(data, 100))).rest()) == plain
    with pytest.raises(ShortStreamError):
        b"".join(unpacked(ByteStream(pieces(data[:-20], 100))).rest())


def test_peek_leaves_the_bytes_in_place():
    stream = ByteStream([b"ab", b"", b"cd", b"e"])
    assert stream.peek(3) == b"abc"
    assert stream.take(4) == b"abcd"
    assert stream.peek(9) == b"e"
    assert b"".join(stream.rest()) == b"e"


def test_an_old_sparse_file_counts_with_its_holes_and_hides_none_behind_it():
    header = tarfile.TarInfo("holes")
    header.type, header.size = b"S", 512
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[482], block[483:495] = 1, b"%011o\0" % 42_000_000
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    data = bytes(block) + bytes(512) + b"x" * 512 + tar([("after", b"y")])
    assert [(entry.path, entry.size) for entry in entries(ByteStream([data]))] == [
        (b"holes", 42_000_000),
        (b"after", 1),
    ]
