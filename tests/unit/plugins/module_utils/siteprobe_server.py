"""A small HTTPS site on loopback that does everything right, or one thing wrong."""

from __future__ import annotations

import contextlib
import datetime
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DOMAIN = "crm.example.com"
EMAIL, PASSWORD, TOKEN = "admin@demo.example", 'pla"nted\\pass word', "tok-" + "0123456789abcdef" * 2
HEADERS = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
_LATE = 1.5
PAGE = '<!doctype html><script type="module" src="/assets/app-1.js"></script><div id="root"></div>'


class Authority:
    """A certificate authority, and what it signs, in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        authority = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self._sign(self.name, self.key.public_key(), (-1, 3650), authority)
        self.file = directory / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, days, *extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (now + datetime.timedelta(days=day) for day in days)
        builder = x509.CertificateBuilder(self.name, subject, key, x509.random_serial_number(), begin, end)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, names=(DOMAIN,), days=(-10, 80), weak=False) -> Path:
        """A certificate and its key in one file."""
        key = rsa.generate_private_key(65537, 1024) if weak else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        certificate = self._sign(subject, key.public_key(), days, alternative)
        file = self.directory / f"{certificate.serial_number:x}.pem"
        private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, *private)
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return file

    def issued(self, logs: int) -> bytes:
        """A certificate in DER with entries of so many transparency logs."""
        # Version, log, moment, no extensions, ECDSA with SHA-256, a signature (RFC 6962).
        entry = b"\0" + bytes(32) + bytes(8) + b"\0\0" + b"\4\3" + b"\0\4sign"
        entries = b"".join(len(entry).to_bytes(2, "big") + entry for _ in range(logs))
        listed = len(entries).to_bytes(2, "big") + entries
        value = b"\4" + bytes([len(listed)]) + listed
        stamps = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), value)
        certificate = self._sign(self.name, self.key.public_key(), (-1, 80), *([stamps] if logs else []))
        return certificate.public_bytes(serialization.Encoding.DER)


class Site:
    """What the handler answers; a fault is a word that the tests name."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.requests = 0
        self.health_asked = 0
        self.bodies: list[bytes] = []
        self.authorizations: list[tuple[bool, str]] = []
        self.https_port = 0
        self.http_port = 0

    def headers(self) -> dict[str, str]:
        missing = "X-Frame-Options" if self.fault == "header" else ""
        return {name: value for name, value in HEADERS.items() if name != missing}

    def cross_origin(self, asked: str) -> dict[str, str]:
        """What a server that was told its own address says of the origin that asks."""
        own = f"https://{DOMAIN}:{self.https_port}"
        if self.fault == "origin_fixed":
            return {"Access-Control-Allow-Origin": "http://localhost:3000"}
        if self.fault == "origin_chosen" or asked != own:
            return {"Vary": "Origin"}
        return {"Access-Control-Allow-Origin": own, "Vary": "Origin"} if self.fault != "origin_untold" else {}


def handler(site: Site, secure: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet an answer: two would wait for a delayed acknowledgement.
        wbufsize = -1

        def log_message(self, *_) -> None:
            pass

        def version_string(self) -> str:
            return "nginx/1.2.3" if site.fault == "version" else "nginx"

        def answer(self, status, body=b"", kind="text/html", **headers) -> None:
            self.send_response(status)
            for name, value in {**(site.headers() if secure else {}), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if "Authorization" in self.headers:
                site.authorizations.append((secure, self.headers["Authorization"]))
            foreign = not self.headers["Host"].startswith(DOMAIN)
            if foreign and site.fault != "foreign":
                return self.answer(421)
            if not secure and site.fault != "foreign":
                path = "/" if site.fault == "redirect" else self.path
                return self.answer(301, Location=f"https://{DOMAIN}:{site.https_port}{path}")
            return self.page()

        def page(self) -> None:
            if self.path == "/limited":
                site.requests += 1
                return self.answer(429 if site.requests > 5 and site.fault != "unlimited" else 200)
            if self.path == "/api/health":
                site.health_asked += 1
                if site.fault == "silent_health" or (site.fault == "busy" and site.health_asked == 1):
                    time.sleep(_LATE)
            if self.path == "/api/health" and site.fault != "health":
                return self.answer(200, b'{"status": "ok", "info": {"db": "up"}}', "application/json")
            if self.path.endswith(".js") and site.fault != "script":
                return self.answer(200, b"0", "text/javascript")
            if site.fault == "down":
                return self.answer(502)
            if self.path == "/graphql":
                return self.answer(400, **site.cross_origin(self.headers.get("Origin", "")))
            if site.fault == "careless":
                plain = PAGE + '<link rel="stylesheet" href="http://example.com/a.css">'
                return self.answer(200, plain.encode(), Set_Cookie="a=b")
            return self.answer(200, PAGE.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            site.bodies.append(body)
            variables = json.loads(body)["variables"]
            if site.fault == "login":
                told = {"errors": [{"message": f"wrong password {variables['password']}"}]}
            elif self.path == "/second":
                told = {"data": {"token": f"final-{variables['first']}"}}
            elif variables["password"] == PASSWORD:
                told = {"data": {"login": {"accessToken": TOKEN}}}
            else:
                told = {"errors": [{"message": "no such user"}]}
            self.answer(200, json.dumps(told).encode(), "application/json")

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address) -> None:
        """Handshakes fail on purpose."""


@contextlib.contextmanager
def served(site: Site, certificate: Path) -> Iterator[Site]:
    """The site on two ports of loopback."""
    servers = []
    for secure in (True, False):
        server = Server(("127.0.0.1", 0), handler(site, secure))
        if secure:
            server.socket = tls_context(site, certificate).wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
            site.https_port = server.server_port
        else:
            site.http_port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
    try:
        yield site
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def tls_context(site: Site, certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    level = 0 if site.fault in ("old_tls", "cipher", "key") else 2
    good = "ECDHE+AESGCM"
    context.set_ciphers(
        {"cipher": f"{good}:AECDH-NULL-SHA", "old_tls": "HIGH:!aNULL"}.get(site.fault, good) + f":@SECLEVEL={level}"
    )
    context.minimum_version = ssl.TLSVersion.TLSv1 if site.fault == "old_tls" else ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate)
    if site.fault != "http1":
        context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@contextlib.contextmanager
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
