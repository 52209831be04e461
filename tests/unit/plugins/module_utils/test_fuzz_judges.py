"""Whatever an image, a registry, a log or a site answers: it is read in bounded time and memory, and no traceback ends it.

Seeds are changed the same way in each run; `SLUICE_FUZZ` is how many inputs each parser gets.
"""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import http.client
import io
import json
import lzma
import os
import random
import resource
import time
import zipfile
from types import SimpleNamespace

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils import markup
from ansible_collections.sluice.deploy.plugins.module_utils.errors import (
    NameServerError,
    NotTarError,
    PaperError,
    ShortStreamError,
    UserError,
)
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate import archive, history, layer, login, papers
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate import registry as registries
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.bytestream import ByteStream, unpacked
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.reference import parse
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.findings import Collector
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.known import KnownValues
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs import decode, records, unpacking
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.logs.readers import BytesReader
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.scan import Log, Scanner
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import engines
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.plan import Plan
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.history import named_secrets
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe import (
    caa,
    certificate,
    nameserver,
    page,
    secureheaders,
    wire,
)
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.model import Target, reason
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    digest,
    docker_archive,
    image_config,
    oci_archive,
    tar,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.secret_samples import docker, local_entry
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.siteprobe_server import PAGE, Authority

COUNT = int(os.environ.get("SLUICE_FUZZ", "150"))
# Of a thread's own time, which other load does not lengthen; of memory beyond what the run had before.
SECONDS, MEMORY = 2.0, 192 << 10
LONGEST = 1 << 16
PIECES = [
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b'"', b"'", b"{", b"[", b"}", b"]", b",", b":", b"\n", b"\r\n"),
    *(b"-1", b"0", b"1e999", b"9" * 30, b"NaN", b"null", b"true", b'{"a":', b"[" * 50, b"<!--", b"<script ", b"</", b"=\"", b"%", b"%00"),
    *(b"//[", b"http://[", b";", b"sha256:", b"\x80\0\0\0", b"\x7f\xff\xff\xff", b"\xc0\x0c", b"password=", b"eyJ", b"\x1b[3"),
]  # fmt: skip


def mutated(seeds, source):
    """One of the seeds with a few changes of bytes, of pieces, and of their order."""
    data = bytearray(source.choice(seeds))
    for _ in range(source.randrange(1, 6)):
        place = source.randrange(len(data) + 1)
        end = min(len(data), place + source.choice((1, 4, 32, 512)))
        what = source.randrange(7)
        if what == 0 and place < len(data):
            data[place] ^= 1 << source.randrange(8)
        elif what == 1:
            del data[place:end]
        elif what == 2:
            data[place:place] = data[place:end] * source.choice((1, 2, 64))
        elif what == 3:
            data[place:place] = source.choice(PIECES) * source.choice((1, 1, 1, 300))
        elif what == 4:
            data[place:end] = source.randbytes(end - place)
        elif what == 5:
            other = source.choice(seeds)
            data[place:] = other[source.randrange(len(other) + 1) :]
        elif source.random() < 0.3:
            del data[place:]
    return bytes(data[:LONGEST])


class Answers:
    """A registry that answers any question with the next of some bodies."""

    def __init__(self, data):
        self._bodies = data.split(b"\x1e") or [b""]
        self._turn = 0

    def get(self, url, headers):
        body = self._bodies[self._turn % len(self._bodies)]
        self._turn += 1
        told = body.decode("latin-1")
        status = 401 if body.startswith(b"Bearer") and self._turn < 20 else 200
        return SimpleNamespace(
            status=status,
            challenges=lambda: [told],
            body=lambda most: body[:most],
            pieces=lambda expected=0: iter([body]),
        )


class Connection:
    """What a server sends, as the probe's sockets have it."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def settimeout(self, seconds):
        pass

    def sendall(self, data):
        pass

    def recv_into(self, buffer):
        return self._data.readinto(buffer)


def manifest(data):
    papers.image_layers(papers.read_paper(data))


def config(data):
    told = papers.checked_config(papers.read_json(data))
    steps = history.steps(told, 2)
    history.layer_instructions(steps, 2)
    history.multi_stage(steps, False)
    history.runs_as_root(told)
    named_secrets(told)


def layers(data):
    layer.read_layer(unpacked(ByteStream([data])))


def archives(data):
    archive.read_archive([data], "it")


def registry(data):
    asked = registries.Registry({})
    asked._wire = asked._login._wire = Answers(data)
    with pytest.MonkeyPatch.context() as patch:
        # A registry that means harm gives digests that are right.
        patch.setattr(registries, "digest_is", lambda digest, body: True)
        asked.load("registry.example.com/app:1", "linux/amd64", True)


def challenges(data):
    login.challenges([data.decode("latin-1")])
    with contextlib.suppress(UserError):
        parse(data.decode("utf-8", "replace"))


def log_records(data):
    for kind in ("json-file", "local", "framed", "text"):
        records.moment(records.parse(kind, data).time)


def packed(data):
    if unpack := unpacking.of(data[: unpacking.TELLING]):
        size = 0
        for piece in unpack(io.BytesIO(data)):
            size += len(piece)
            assert len(piece) <= 1 << 20
            if size > 1 << 24:
                return


def escapes(data):
    text = data.decode("utf-8", "replace")[:4096]
    for plain in decode.texts(text, thorough=True):
        assert len(plain) <= 4 * len(text) + 64
    for found in (decode.from_base64(text), decode.from_hex(text), decode.joined(text.splitlines())):
        list(found)
    decode.from_dump(text.splitlines())


PLAN = Plan((), KnownValues({"A": "Zq9xT4bV7m#Kw2", "B": "p/aB3$xY7!kL9"}))


SCANNER = Scanner(PLAN, lambda: engines.make(PLAN, "python"), Collector(b"k" * 32), threads=1)


def scans(data):
    for kind in ("json-file", "local", "text"):
        SCANNER.scan(Log("log", kind, BytesReader(data)))


def html(data):
    text = data.decode("utf-8", "replace")
    assert len(list(markup.elements(text))) <= 50_000
    markup.scripts(text, "https://crm.example.com/")
    assert sum(map(len, markup.inline_scripts(text))) <= len(text)
    page.plain_loads(text)


def headers(data):
    text = data.decode("latin-1")
    page.cookie_faults(text.split("\n"))
    secureheaders.preload_gap(text)
    markup.joined("https://crm.example.com/", text)


def answers(data):
    answer = wire.exchange(Connection(data), Target("crm.example.com", timeout=1), "/")
    secureheaders.header_faults(answer, {"X-A": "^a$"})
    assert isinstance(answer.text + answer.content_type, str)
    with contextlib.suppress(ValueError):
        answer.json()


def names(data):
    for record in nameserver.answers(data, "crm.example.com", 257):
        caa.judge({"crm.example.com": ("crm.example.com", [caa.read(record)])}, "Let's Encrypt")


def certificates(data):
    certificate.read(data)


def _papers():
    body = json.dumps(image_config([tar([("a", b"x")])], env=("A=1",), user="app")).encode()
    listed = {
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(body), "size": len(body)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(b"x"), "size": 9}],
    }
    platform = {"os": "linux", "architecture": "amd64"}
    index = {"schemaVersion": 2, "manifests": [{"digest": digest(body), "platform": platform, "size": 3}]}
    return body, json.dumps(listed).encode(), json.dumps(index).encode()


def seeds():
    """For each parser what it reads on a good day, and the errors that may end it."""
    config_, listed, index = _papers()
    told = tar([("a", b"x" * 5000), ("etc/.wh.b", b"")])
    plain = [tar([("a", b"x"), ("dir/b", b"y" * 600)]), told]
    line, bad = docker("password=Zq9xT4bV7m#Kw2 \u001b[31mx\u001b[0m"), b"\x1e".join([index, listed, config_])
    local = local_entry(b"p/aB3$xY7!kL9 " * 20)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.log", b"line\n" * 500)
    packs = [gzip.compress(b"line\n" * 500), bz2.compress(b"l\n" * 500), lzma.compress(b"l\n" * 500), zipped.getvalue()]
    question = nameserver.question(7, "crm.example.com", 257)
    answer = question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:-11] + b"\xc0\x0c\1\1\0\1\0\0\0\x3c\0\7\0\5issuea"
    challenge = b'Bearer realm="https://a.example.com/token",service="a",scope="x"'
    escaped = [
        json.dumps(json.dumps({"a": "\u001b[3mx\n'%41&amp;"})).encode(),
        base64.b64encode(b"secret" * 9),
        b"%u0041\\x41",
    ]
    message = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    cookie = b"sid=a; Path=/; Secure; HttpOnly; SameSite=Lax\nmax-age=63072000; includeSubDomains; preload"
    site = PAGE.encode() + b"<!-- x --><base href='//b'><link rel=stylesheet href=http://a/b.css><img src=x alt=\"y\">"
    wires = (OSError, http.client.HTTPException)
    return {
        manifest: ([listed, index], PaperError),
        config: ([config_], PaperError),
        layers: ([*plain, gzip.compress(plain[0])], (NotTarError, ShortStreamError, UserError)),
        archives: ([docker_archive([told]), oci_archive([told])], UserError),
        registry: ([bad, b"\x1e".join([challenge, b'{"token":"x"}', listed, config_])], UserError),
        challenges: ([challenge, b'Basic realm="x", Bearer a=b', b"registry.example.com:5000/a/b:1@sha256:00"], ()),
        log_records: ([line, local, b"\1\0\0\0\0\0\0\5hello"], ()),
        packed: (packs, unpacking.FAULTS),
        escapes: (escaped, ()),
        scans: ([line * 3, local * 3, line + docker("x" * 17000)], ()),
        html: ([site], ()),
        headers: ([cookie, b"http://[::1]/a?b#c"], ()),
        answers: ([message, message.replace(b"chunked", b"x"), b"HTTP/1.0 301 M\r\nLocation: /\r\n\r\n{}"], wires),
        names: ([answer], NameServerError),
        certificates: ([], UserError),
    }


SEEDS = seeds()


@pytest.mark.parametrize("parser", SEEDS, ids=lambda parser: parser.__name__)
def test_nothing_that_is_read_takes_long_or_ends_in_a_traceback(parser, tmp_path):
    given, expected = SEEDS[parser]
    if parser is certificates:
        given = [Authority(tmp_path).issued(logs=2)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(COUNT):
        data = mutated(given, random.Random(f"{parser.__name__} {number}"))
        began = time.thread_time()
        try:
            parser(data)
        except expected as error:
            assert isinstance(reason(error), str)
        except Exception as error:
            raise AssertionError(f"input {number}: {type(error).__name__}: {error}; {data[:2000]!r}")
        assert time.thread_time() - began < SECONDS, f"input {number}"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY
