"""Only what a server lacks is sent; what its engine does not take in part is sent whole."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from ansible_collections.sluice.deploy.plugins.action.stack_images import ActionModule
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.plugin_utils import carry


def saved(target: Path, images: dict[str, list[str]]) -> None:
    """As the engine packs images: by reference, the names of their layers."""
    parts = {name: name.encode() * 2000 for held in images.values() for name in held}
    manifest = [{"Config": "config", "RepoTags": [tag], "Layers": held} for tag, held in images.items()]
    parts |= {"config": b"{}", "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(target, "w") as archive:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def names(packed: Path) -> list[str]:
    with tarfile.open(packed) as archive:
        return archive.getnames()


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ({}, ["base", "app", "tool"]),
        ({"shop:1": 1, "tool:1": 1}, ["app", "tool"]),
        ({"shop:1": 2, "tool:1": 2}, []),
        # One of the two needs what the other's server has.
        ({"shop:1": 1}, ["base", "app", "tool"]),
    ],
)
def test_a_layer_is_left_out_when_no_image_needs_it(tmp_path: Path, known: dict[str, int], left: list[str]) -> None:
    saved(tmp_path / "saved.tar", {"shop:1": ["base", "app"], "tool:1": ["base", "tool"]})
    size = carry.pack(tmp_path / "saved.tar", known, tmp_path / "packed.tar.gz")
    assert names(tmp_path / "packed.tar.gz") == [*left, "config", "manifest.json"]
    assert size == (tmp_path / "packed.tar.gz").stat().st_size


class Server:
    """Answers as the module does, and keeps what it was sent."""

    def __init__(self, lacking: dict[str, int], takes_parts: bool = True) -> None:
        self.lacking, self.takes_parts, self.loads = lacking, takes_parts, []

    def module(self, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        if not module_args.get("archive"):
            assert [w["reference"] for w in module_args["wanted"]] == ["shop:1", "tool:1"]
            return {"lacking": self.lacking}
        self.loads.append(names(Path(module_args["archive"])))
        whole = {"base", "app", "tool"} <= set(self.loads[-1])
        return {"changed": True} if self.takes_parts or whole else {"failed": True, "msg": "no such file or directory"}


@pytest.fixture
def action(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(server: Server, check_mode: bool = False) -> dict[str, Any]:
        images = {"shop:1": ["base", "app"], "tool:1": ["base", "tool"]}
        monkeypatch.setattr(carry, "inspect", lambda reference: {"reference": reference})
        monkeypatch.setattr(carry, "save", lambda wanted, to: saved(to, {w: images[w] for w in wanted}))
        task = MagicMock(async_val=0, check_mode=check_mode, args={"images": ["shop:1", "tool:1", "shop:1"]})
        shell = SimpleNamespace(tmpdir=str(tmp_path), join_path=lambda *parts: "/".join(parts))
        module = ActionModule(task, SimpleNamespace(_shell=shell), MagicMock(), MagicMock(), MagicMock(), MagicMock())
        monkeypatch.setattr(module, "_execute_module", server.module)
        monkeypatch.setattr(module, "_remove_tmp_path", lambda place: None)
        monkeypatch.setattr(
            module, "_transfer_file", lambda source, to: Path(to).write_bytes(Path(source).read_bytes())
        )
        return module.run(task_vars={})

    return make


def test_what_is_there_is_not_sent(action: Any) -> None:
    server = Server({})
    assert action(server) == {"changed": False, "carried": [], "sent": 0}
    assert not server.loads


def test_what_is_lacking_is_sent_once(action: Any) -> None:
    server = Server({"shop:1": 1})
    result = action(server)
    assert result["changed"] and result["carried"] == ["shop:1"] and result["sent"] > 0
    assert server.loads == [["app", "config", "manifest.json"]]


def test_a_rehearsal_sends_nothing(action: Any) -> None:
    server = Server({"shop:1": 1})
    assert action(server, check_mode=True) == {"changed": True, "carried": ["shop:1"], "sent": 0}
    assert not server.loads


def test_an_engine_that_takes_no_part_is_sent_the_whole(action: Any) -> None:
    server = Server({"shop:1": 1, "tool:1": 1}, takes_parts=False)
    result = action(server)
    assert result["changed"] and not result.get("failed")
    assert [len(load) for load in server.loads] == [4, 5]


def test_an_engine_that_takes_none_says_why(action: Any) -> None:
    server = Server({"shop:1": 0}, takes_parts=False)
    result = action(server)
    assert result["failed"] and not result["changed"] and "no such file" in result["msg"]
    assert len(server.loads) == 1


def test_an_image_that_the_controller_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = SimpleNamespace(returncode=1, stdout="[]", stderr="Error: No such image: shop:9\n")
    monkeypatch.setattr(carry, "run", lambda argv: answer)
    with pytest.raises(UserError, match=r"shop:9 cannot be had .* No such image: shop:9; build or pull it there first"):
        carry.inspect("shop:9")
