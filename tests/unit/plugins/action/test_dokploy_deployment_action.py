from __future__ import annotations

import threading
import time

from ansible_collections.sluice.deploy.plugins.action import dokploy_deployment


def test_lines_are_shown_as_they_are_written(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(dokploy_deployment, "INTERVAL", 0.01)
    monkeypatch.setattr(dokploy_deployment.Display, "display", lambda self, text: shown.append(text))
    file, ended = tmp_path / "progress", threading.Event()
    file.touch()
    watcher = threading.Thread(target=dokploy_deployment.show, args=(file, ended))
    watcher.start()
    for count, line in enumerate(["0 s: queued", "2 s: \x1b]0;title\x07running"], 1):
        with file.open("a") as writer:
            writer.write(line + "\n")
        deadline = time.monotonic() + 10
        while len(shown) < count and time.monotonic() < deadline:
            time.sleep(0.01)
    ended.set()
    watcher.join()
    assert shown == ["  dokploy: 0 s: queued", "  dokploy: 2 s: running"]
