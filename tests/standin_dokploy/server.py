# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP in front of the procedures: methods, headers, keys and error bodies as the real server has them."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .deployer import Deployer, Engine
from .engine import DockerEngine
from .procedures import MUTATIONS, QUERIES, Procedures
from .refusal import RefusedError
from .refusal import body as error_body
from .store import EMPTY, Store, now

MAX_BODY = 1024 * 1024
SIGN_IN_WINDOW = 10
SIGN_IN_LIMIT = 3
SHORTEST_PASSWORD = 8


class Standin:
    """A server with its state; `calls` holds what clients asked for, in order."""

    def __init__(self, directory: Path, engine: Engine | None = None, port: int = 0, host: str = "127.0.0.1") -> None:
        self.store = Store()
        self.deployer = Deployer(self.store, engine or DockerEngine(), directory)
        self.procedures = Procedures(self.store, self.deployer)
        self.calls: list[tuple[str, str, Any]] = []
        self.unknown: set[str] = set()
        self.sign_ins: list[float] = []
        self.sign_in_limit = SIGN_IN_LIMIT
        handler = type("BoundHandler", (Handler,), {"standin": self})
        self.http = ThreadingHTTPServer((host, port), handler)

    @property
    def url(self) -> str:
        return f"http://{self.http.server_address[0]!s}:{self.http.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def counts(self) -> dict[str, int]:
        """Requests by method since the last time this was asked for."""
        counts = Counter(method for method, _, _ in self.calls)
        self.calls.clear()
        return {"GET": counts["GET"], "POST": counts["POST"]}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    standin: Standin
    protocol_version = "HTTP/1.1"
    # Head and body in one packet, else each answer waits for a delayed acknowledgement.
    wbufsize = -1

    def log_message(self, *_args: Any) -> None:
        """Silent: a log of a test server has no reader."""

    def do_GET(self) -> None:
        self._handle(QUERIES, None)

    def do_POST(self) -> None:
        self._handle(MUTATIONS, self.rfile.read(int(self.headers.get("content-length") or 0)))

    def _handle(self, known: dict[str, Any], body: bytes | None) -> None:
        url = urlsplit(self.path)
        procedure = url.path.removeprefix("/api/")
        if url.path.startswith("/standin/"):
            self._control(url.path.removeprefix("/standin/"))
            return
        if procedure == "health":
            self._answer(200, {"ok": True})
            return
        values = dict(parse_qsl(url.query)) if body is None else self._body(body)
        if values is None:
            return
        self.standin.calls.append((self.command, procedure, values))
        if procedure.startswith("auth/"):
            self._authenticate(procedure, values)
        elif not self._let_in():
            self._answer(401, {"message": "Unauthorized"})
        elif procedure not in known or procedure in self.standin.unknown:
            self._answer(404, error_body("", RefusedError(404, "NOT_FOUND", "Not found")))
        else:
            self._call(procedure, values)

    def _body(self, body: bytes) -> Any:
        if len(body) > MAX_BODY:
            self._answer(413, "Body exceeded 1mb limit", "text/plain")
        elif "json" not in (self.headers.get("content-type") or ""):
            # The real one forgets the closing quote, too.
            message = f'Unsupported content-type "{self.headers.get("content-type") or ""}'
            error = RefusedError(415, "UNSUPPORTED_MEDIA_TYPE", message)
            self._answer(415, error_body(urlsplit(self.path).path.removeprefix("/api/"), error))
        else:
            try:
                return json.loads(body)
            except ValueError:
                self._answer(400, "Invalid JSON", "text/plain")
        return None

    def _let_in(self) -> bool:
        store = self.standin.store
        cookie = (self.headers.get("cookie") or "").partition("session=")[2].partition(";")[0]
        with store.lock:
            return cookie in store.sessions or store.spend(self.headers.get("x-api-key") or "")

    def _call(self, procedure: str, values: Any) -> None:
        try:
            with self.standin.store.lock:
                data = self.standin.procedures.call(procedure, values)
        except RefusedError as error:
            self._answer(error.status, error_body(procedure, error))
        else:
            self._answer(200, None if data is EMPTY else data, empty=data is EMPTY)

    def _authenticate(self, procedure: str, values: dict[str, str]) -> None:
        store = self.standin.store
        if procedure == "auth/sign-up/email":
            if store.admin and store.admin["email"] == values["email"]:
                code = "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"
                self._answer(422, {"message": "User already exists. Use another email.", "code": code})
                return
            if store.admin:
                self._answer(400, {"message": "Admin is already created"})
                return
            if len(values["password"]) < SHORTEST_PASSWORD:
                self._answer(400, {"message": "Password too short", "code": "PASSWORD_TOO_SHORT"})
                return
            store.admin = {"email": values["email"], "password": values["password"]}
            self._answer(200, {"token": "t" * 32, "user": _user(values)}, session=True)
            return
        moment = time.monotonic()
        recent = [at for at in self.standin.sign_ins if moment - at < SIGN_IN_WINDOW]
        self.standin.sign_ins = [*recent, moment]
        if len(recent) >= self.standin.sign_in_limit:
            self._answer(429, {"message": "Too many requests. Please try again later."})
        elif self.headers.get("cookie") and not self.headers.get("origin"):
            self._answer(403, {"message": "Missing or null Origin", "code": "MISSING_OR_NULL_ORIGIN"})
        elif self.headers.get("origin"):
            self._answer(403, {"message": "Invalid origin", "code": "INVALID_ORIGIN"})
        elif not store.admin or any(store.admin[key] != values.get(key) for key in ("email", "password")):
            self._answer(401, {"message": "Invalid email or password", "code": "INVALID_EMAIL_OR_PASSWORD"})
        elif store.admin.get("two_factors"):
            self._answer(200, {"twoFactorRedirect": True})
        else:
            self._answer(200, {"redirect": False, "user": {"email": values["email"]}}, session=True)

    def _control(self, what: str) -> None:
        """What a test steers from outside the process."""
        if what == "counts":
            self._answer(200, self.standin.counts())
        elif what == "restart":
            self.standin.deployer.restart()
            self._answer(200, True)
        elif what == "keys":
            self._answer(200, {"key": self.standin.store.make_key(limited=False)})
        else:
            self._answer(404, {"message": what})

    def _answer(
        self,
        status: int,
        data: Any,
        content_type: str = "application/json",
        *,
        session: bool = False,
        empty: bool = False,
    ) -> None:
        text = "" if empty else data if content_type == "text/plain" else json.dumps(data)
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        if session:
            token = secrets.token_urlsafe(32)
            self.standin.store.sessions.add(token)
            self.send_header("set-cookie", f"better-auth.session={token}; Path=/; HttpOnly")
        self.end_headers()
        self.wfile.write(body)


def _user(values: dict[str, str]) -> dict[str, Any]:
    never = ("allowImpersonation", "banned", "emailVerified", "enableEnterpriseFeatures", "isValidEnterpriseLicense",
             "twoFactorEnabled")  # fmt: skip
    return {
        **dict.fromkeys(never, False), **dict.fromkeys(("banExpires", "banReason", "image")), "createdAt": now(),
        "updatedAt": now(), "id": "user", "email": values["email"], "name": values["name"], "role": "user",
        "lastName": values["lastName"],
    }  # fmt: skip
