"""On a server: a target of notices that keeps what it is sent in a file, and one beside it that never answers."""

import http.server
import socket
import sys

SILENT = socket.create_server(("127.0.0.1", 8998))


class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[1], "ab") as kept:
            kept.write(body + b"\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """The addresses that it is asked by are secrets."""


http.server.HTTPServer(("127.0.0.1", 8999), Sink).serve_forever()
