# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.imagegate import leftovers
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.advice import advise
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.layer import key_path, path_key
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.runs import SortedRuns
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.survey import survey
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    DIRECTORY,
    layer,
    plain_waste,
    tar,
)


def look(*layers):
    return survey([layer(members) for members in layers])


def wasted(*layers):
    found = look(*layers)
    assert (found.wasted, found.visible) == plain_waste([tar(members) for members in layers])
    return found.wasted


def test_runs_come_back_in_order_however_many_there_are():
    numbers = list(range(70_000))
    random.Random(1).shuffle(numbers)
    runs = SortedRuns()
    for number in numbers:
        runs.add((number, b"x"))
    assert [record[0] for record in runs] == list(range(70_000))


def test_paths_sort_as_a_tree_and_come_back():
    paths = [b"a", b"a/b", b"a/b/c", b"a b", b"a-b", b"ab"]
    assert sorted(paths, key=path_key) == paths
    assert [key_path(path_key(b"./" + path + b"/")) for path in paths] == ["/" + path.decode() for path in paths]
    assert key_path(path_key(b"./")) == "/"
    assert key_path(b"\xff\0x") == "/\\xff/x"


def test_an_overwritten_file_is_wasted():
    assert wasted([("a", b"12345"), ("b", b"1")], [("a", b"123")]) == 5


def test_a_deleted_file_is_wasted():
    assert wasted([("d/a", b"12345"), ("d/b", b"1")], [("d/.wh.a", b"")]) == 5


def test_a_deleted_directory_wastes_all_that_is_in_it():
    assert wasted([("d", DIRECTORY), ("d/a", b"12"), ("d/e/b", b"345"), ("dd", b"9")], [(".wh.d", b"")]) == 5


def test_a_directory_made_anew_hides_what_was_in_it():
    layers = [("d/a", b"12"), ("d/b", b"345")], [("d", DIRECTORY), ("d/.wh..wh..opq", b""), ("d/a", b"6")]
    assert wasted(*layers) == 5


def test_a_file_in_the_place_of_a_directory_hides_what_was_in_it():
    assert wasted([("d/a", b"12"), ("d/b/c", b"345")], [("d", b"6")]) == 5


def test_a_directory_in_the_place_of_a_file_hides_it():
    assert wasted([("d", b"12345")], [("d", DIRECTORY), ("d/a", b"6")]) == 5


def test_a_whiteout_speaks_of_lower_layers_only():
    assert wasted([("a", b"12")], [("a", b"345"), (".wh.a", b"")], [("b", b"6")]) == 2


def test_what_is_deleted_and_comes_back_is_wasted_once():
    assert wasted([("a", b"12")], [(".wh.a", b"")], [("a", b"345")]) == 2


def test_versions_are_counted_as_dive_counts_them():
    found = look([("a", b"12345"), ("b", b"1")], [("a", b"123")], [(".wh.b", b"")])
    assert found.wasted == 6
    assert found.versions == 5 + 3 + 1


names = st.sampled_from(["a", "b", "d"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.one_of(st.binary(max_size=5), st.just(DIRECTORY), st.just("gone"), st.just("opaque"))


def as_member(path, content):
    parent, _slash, name = path.rpartition("/")
    prefix = f"{parent}/" if parent else ""
    if content == "gone":
        return f"{prefix}.wh.{name}", b""
    if content == "opaque":
        return f"{path}/.wh..wh..opq", b""
    return path, content


def consistent(members):
    """No path twice in a layer, nothing under a file of the same layer, as file systems have it."""
    files = {path for path, content in members.items() if isinstance(content, bytes)}
    return [
        as_member(path, content)
        for path, content in members.items()
        if not any(path.startswith(file + "/") for file in files) and not (content == "opaque" and path in files)
    ]


@given(st.lists(st.dictionaries(paths, contents, max_size=7).map(consistent), min_size=1, max_size=5))
@settings(max_examples=300, derandomize=True)
def test_waste_equals_what_a_dictionary_says(layers):
    wasted(*layers)


def test_the_largest_are_named_with_their_layers():
    found = look([("usr/lib/big", b"1" * 90), ("usr/bin/small", b"1" * 30)], [("app/main", b"1" * 50)])
    assert found.largest_files == [
        (90, ("/usr/lib/big", 0)),
        (50, ("/app/main", 1)),
        (30, ("/usr/bin/small", 0)),
    ]
    # /usr stands for itself; where one directory dominates another, only the inner one is named.
    assert found.largest_directories == [(120, "/usr"), (90, "/usr/lib"), (50, "/app"), (30, "/usr/bin")]
    assert look([("a/b/c/file", b"1" * 10)]).largest_directories == [(10, "/a/b/c")]


def test_the_lists_are_as_long_as_asked_for():
    members = [(f"f{number:03}", b"1" * number) for number in range(1, 100)]
    assert [size for size, _what in survey([layer(members)], top=3).largest_files] == [99, 98, 97]
    assert survey([layer(members)], top=0).largest_files == []


def test_the_same_content_in_two_places_is_a_duplicate():
    same, other = b"s" * 5000, b"o" * 5000
    found = look([("a", same), ("b", other)], [("c", same), ("d", same)])
    assert found.duplicate_bytes == 10_000
    assert [(item.size, item.copies, item.paths, item.layers) for item in found.duplicates] == [
        (5000, 3, ["/a", "/c", "/d"], [0, 1])
    ]


def test_a_copy_that_only_changes_the_owner_is_told_apart():
    content = b"s" * 5000
    found = look([("app/a", content)], [("app/a", content)], [("app/a", b"t" * 5000)])
    assert found.causes == {(0, 1, "copied"): 5000, (1, 2, "overwritten"): 5000}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("var/lib/apt/lists/archive.example_dists_main", "apt"),
        ("var/cache/apt/archives/x.deb", "apt"),
        ("var/cache/apk/APKINDEX", "apk"),
        ("root/.npm/_cacache/index/1", "npm"),
        ("usr/local/share/.cache/yarn/v6/x", "npm"),
        ("root/.cache/pip/http/1", "pip"),
        ("app/.git/objects/pack/1.pack", "git"),
        ("usr/lib/gcc/x86_64-linux-gnu/14/cc1", "compiler"),
        ("usr/include/stdio.h", "compiler"),
        ("app/node_modules/typescript/lib/tsc.js", "dev-packages"),
        ("app/node_modules/@types/node/index.d.ts", "dev-packages"),
        ("app/node_modules/x/test/a.js", "tests"),
        ("usr/lib/python3/dist-packages/x/tests/a.py", "tests"),
        ("app/dist/main.js.map", "source-maps"),
        ("usr/share/doc/x/copyright", "docs"),
        ("tmp/build.log", "temporary"),
        ("app/dist/main.js", ""),
        ("app/test/a.js", ""),
        ("usr/lib/x86_64-linux-gnu/libgcc_s.so.1", ""),
        ("app/maps/berlin.map", ""),
        ("app/.github/x", ""),
        ("app/tmp/x", ""),
    ],
)
def test_leftovers_are_known_by_where_they_lie(path, kind):
    found = look([(path, b"1" * 10)])
    assert dict.fromkeys(found.leftovers, True) == ({kind: True} if kind else {})


def test_every_kind_of_leftover_says_what_to_change():
    assert all(kind.title and kind.change for kind in leftovers.KINDS)
    assert len(leftovers.BY_ID) == len(leftovers.KINDS)


def test_advice_is_ranked_and_names_the_instruction():
    found = look(
        [("var/lib/apt/lists/x", b"1" * 3000), ("app/a", b"s" * 5000)],
        [("app/a", b"s" * 5000)],
        [("app/.wh.a", b"")],
    )
    steps = ["RUN apt-get update", "RUN chown -R app /app", "RUN rm /app/a"]
    advice = advise(found, steps, 13_000)
    assert [(item["saves"], item["kind"], item["layer"]) for item in advice] == [
        (5000, "copied", 2),
        (5000, "deleted", 3),
        (3000, "apt", 1),
    ]
    assert "COPY --chown" in advice[0]["change"]
    assert "layer 3 (RUN rm /app/a) deletes files of layer 2 (RUN chown" in advice[1]["finding"]
    assert "rm -rf /var/lib/apt/lists" in advice[2]["change"]


def test_trifles_give_no_advice():
    found = look([("tmp/x", b"1" * 10), ("app", b"1" * 100_000)])
    assert advise(found, ["COPY . ."], 100_010) == []
