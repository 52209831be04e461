"""A stub app: answers that let a test see what the edge did. Usage: app.py PORT COLOUR"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, COLOUR = int(sys.argv[1]), sys.argv[2]
PAGE = f"<!doctype html><title>{COLOUR}</title><script>window.colour = '{COLOUR}'</script><p>{COLOUR} {PORT}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # As Node: idle connections are closed, and an answer in two parts does not wait for an acknowledgement.
    timeout = 5
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def handle_request(self):
        path = self.path.split("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.websocket()
        if path == "/ask":
            return self.ask()
        if path.endswith("/events"):
            return self.events()
        if path.endswith("/slow"):
            time.sleep(1.5)
        if path.endswith("/reset"):
            self.close_connection = True
            return None
        if path.endswith("/missing"):
            return self.answer(404, "text/plain", b"missing")
        if path == "/":
            return self.answer(200, "text/html; charset=utf-8", PAGE.encode())
        seen = {
            "colour": COLOUR,
            "port": PORT,
            "path": self.path,
            "bytes": len(body),
            "moment": time.time_ns(),
            "headers": dict(self.headers),
        }
        return self.answer(200, "application/json", json.dumps(seen).encode())

    do_GET = do_POST = do_PUT = do_HEAD = handle_request  # noqa: N815

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Frame-Options", "ALLOWALL")
        if self.path == "/assets/big-headers":
            for number in range(20):
                self.send_header("Set-Cookie", f"c{number}={'x' * 4000}")
        if self.path == "/own-policy":
            self.send_header("Content-Security-Policy", "default-src 'none'")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def ask(self):
        """Who may come, for forward authentication."""
        known = "sso=ann" in self.headers.get("Cookie", "")
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", "0")
        if known:
            self.send_header("Remote-User", "ann")
            self.send_header("Set-Cookie", "sso=ann; refreshed")
        self.end_headers()

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.wfile.flush()
        time.sleep(2)
        self.close_connection = True

    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.write(b"\x81\x05hello")
        self.wfile.flush()
        self.close_connection = True


class Server(ThreadingHTTPServer):
    request_queue_size = 512


def echo():
    """Over UDP, what came comes back with the port before it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("0.0.0.0", PORT))
        while True:
            asked, visitor = listener.recvfrom(1000)
            listener.sendto(f"{PORT} ".encode() + asked, visitor)


threading.Thread(target=echo, daemon=True).start()
Server(("0.0.0.0", PORT), Handler).serve_forever()
