"""Answers on port 8000, and writes a row and one that refers to it every 50 ms. Data with a file `refuse` is not to its
taste."""

import http.server
import pathlib
import signal
import sqlite3
import sys
import threading
import time


def write() -> None:
    there = sqlite3.connect("/data/app.db")
    there.execute("PRAGMA journal_mode = wal")
    there.execute("PRAGMA foreign_keys = on")
    there.execute("CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY)")
    there.execute("CREATE TABLE IF NOT EXISTS child (id INTEGER PRIMARY KEY REFERENCES parent (id))")
    there.commit()
    while True:
        row = there.execute("INSERT INTO parent DEFAULT VALUES").lastrowid
        pathlib.Path("/data/newest").write_text(str(row))
        there.execute("INSERT INTO child VALUES (?)", (row,))
        there.commit()
        time.sleep(0.05)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if pathlib.Path("/data/refuse").exists() else 200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: object) -> None:
        pass


signal.signal(signal.SIGTERM, lambda *arguments: sys.exit(0))
threading.Thread(target=write, daemon=True).start()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
