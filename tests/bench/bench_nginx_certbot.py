"""The edge beside an nginx.conf as one writes it by hand (edge_by_hand.conf), on one disposable server.

Requests and full TLS handshakes per second of nginx's own CPU time, on nginx 1.26 and 1.30; what the judges say;
the way from nothing to HTTPS; renewals and switches under a bounded load, where no request may be lost, switches on a
host with a hundred sites as well.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SCENARIO = PROJECT / "molecule/nginx_certbot"
sys.path[:0] = [str(SCENARIO / "tests"), str(SCENARIO / "judges")]

from conftest import Apps, Client, play, root_of_the_ca, run_on_server  # noqa: E402
from edge_by_hand import ByHand, cpu_seconds, ssh  # noqa: E402
from edge_load import Load  # noqa: E402
from judges import OBSERVATORY, Judges  # noqa: E402

DOMAIN, HAND_PORT = "shop.test", 8443
ROUNDS, SECONDS = 3, 4
APP_BOOT = 3
START_APP = "\n".join(
    f"docker run -d --name shop-blue-{service} --network sluice-edge --network-alias shop-blue-{service}"
    f" -v /root/app.py:/app.py:ro --stop-timeout 1 --entrypoint sh local/sluice-certbot:forky"
    f" -c 'sleep {APP_BOOT}; exec python3 /app.py {port} blue' >/dev/null"
    for service, port in (("server", 3000), ("front", 3001))
)
APP_ANSWERS = (
    "until docker exec shop-blue-front python3 -c 'import urllib.request as u; u.urlopen(\"http://localhost:3001/\")'"
    " 2>/dev/null; do sleep 0.1; done"
)
# A quick app, so that the proxy is what is measured.
QUICK_APP = "events {} http { access_log off; server { listen %d; keepalive_requests 1000000; location / { default_type text/html; return 200 '<title>blue</title>%s'; } } }"

# What the role would make of each, in one change.
FURTHER_SITES = """
import dataclasses, sys
from sluice.edge.apply import apply
from sluice.edge.engine import EdgeEngine
from sluice.edge.model import Serving
from sluice.edge.site import Certificate
from sluice.edge.store import Store
store = Store()
with store.lock():
    state, files, pairs = store.state(), store.files(), {}
    shop = state.sites["shop"]
    for name in (f"site{number}" for number in range(1, 100)):
        named = {"name": name, "domains": (f"{name}.test",), "certificate": Certificate(kind="self_signed")}
        state = state.with_site(dataclasses.replace(shop, **named))
        targets = {"server": (f"{name}:3000",), "front": (f"{name}:3001",)}
        state = state.with_serving(name, Serving("blue", upstreams=targets))
        pairs[name] = files["tls/shop.pem"], files["tls/shop.key"]
    apply(store, EdgeEngine(state.edge, store.root), state, pairs)
"""


def tool(*words: str) -> str:
    return subprocess.run([PROJECT / "tools/server", *words], check=True, capture_output=True, text=True).stdout.strip()


def row(what: str, ours: object, peer: object, note: str = "") -> None:
    print(f"{what:<52} {ours!s:>14} {peer!s:>14}  {note}", flush=True)


def ratio(ours: float, peer: float) -> str:
    return f"x {ours / peer:.2f}"


def quick_apps() -> None:
    for service, port in (("server", 3000), ("front", 3001)):
        name = f"shop-blue-{service}"
        ssh(f"cat > /root/{name}.conf", QUICK_APP % (port, "x" * 2000))
        ssh(
            f"docker rm -f {name} 2>/dev/null; docker run -d --name {name} --network sluice-edge --network-alias {name} "
            f"-v /root/{name}.conf:/etc/nginx/nginx.conf:ro local/sluice-nginx:trixie"
        )


def per_cpu_second(judges: Judges, container: str, port: int, *headers: str) -> float:
    """Answers that nginx gave for each second of its CPU time."""
    before = cpu_seconds(container)
    load = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", *(f"-H{h}" for h in headers), f"https://{DOMAIN}:{port}/"]
    done = judges.ask(*load)
    used = cpu_seconds(container) - before
    assert "Non-2xx" not in done.stdout, done.stdout
    requests = next(int(line.split()[0]) for line in done.stdout.splitlines() if "requests in" in line)
    return requests / used


def throughput(judges: Judges) -> None:
    for image in ("trixie", "forky"):
        play(nginx_certbot_image=f"local/sluice-nginx:{image}", nginx_certbot_csp_hash_scripts=False)
        Apps(run_on_server).switch("blue")
        with ByHand(image, HAND_PORT):
            for what, headers in (("requests", ()), ("full handshakes", ("Connection: close",))):
                # In turns, so that what else the machine does meets both.
                pairs = [
                    (
                        per_cpu_second(judges, "sluice-edge-nginx", 443, *headers),
                        per_cpu_second(judges, "by-hand", HAND_PORT, *headers),
                    )
                    for _ in range(ROUNDS)
                ]
                ours, peer = sorted(pairs, key=lambda pair: pair[0] / pair[1])[ROUNDS // 2]
                row(f"{what} per CPU second, nginx:{image}", f"{ours:.0f}", f"{peer:.0f}", ratio(ours, peer))


def first_event(client: Client, port: int) -> float:
    """Milliseconds from the request to the first event, which the app sends at once; then it falls silent for 2 s."""
    with client.connect(port=port) as connection:
        begun = time.perf_counter()
        connection.sendall(f"GET /api/events HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode())
        data = b""
        while b"data: first" not in data:
            data += connection.recv(4096)
        return 1000 * (time.perf_counter() - begun)


def judged(judges: Judges, client: Client) -> None:
    """The stub app's page has an inline script; the peer is on the same nginx."""
    with ByHand("forky", HAND_PORT) as hand:
        ports = (443, HAND_PORT)
        row("first event, ms", *(f"{first_event(client, port):.1f}" for port in ports))
        row("sslyze, Mozilla intermediate", *(sslyze(judges, port) for port in ports))
        row("MDN HTTP Observatory", *(observatory(judges, port) for port in ports))
        row("gixy-ng: findings", *(gixy(judges, source) for source in ("/etc/sluice/edge/conf/current", hand.FOLDER)))
        row("testssl", *(testssl(judges, port) for port in ports))


def sslyze(judges: Judges, port: int) -> str:
    done = judges.ask("sslyze", "--mozilla_config=intermediate", "--certinfo_ca_file=/roots.pem", f"{DOMAIN}:{port}")
    return "fail" if done.returncode else "pass"


def observatory(judges: Judges, port: int) -> str:
    name = DOMAIN if port == 443 else f"{DOMAIN}:{port}"
    scan = json.loads(judges.ask(*OBSERVATORY, name).stdout).get("scan", {})
    return f"{scan.get('grade', '-')} {scan.get('score', '-')}"


def gixy(judges: Judges, source: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        packed = ssh(f"tar -C {source}/ --exclude ./tls -c . | base64")
        subprocess.run(f"base64 -d | tar -C {folder} -x", input=packed, text=True, shell=True, check=True)
        return len(
            json.loads(judges.ask("gixy", "--format=json", "/site/nginx.conf", folder=pathlib.Path(folder)).stdout)
        )


def testssl(judges: Judges, port: int) -> str:
    argv = ["testssl", "--quiet", "--color=0", "--add-ca=/roots.pem", "--warnings=batch", f"{DOMAIN}:{port}"]
    # It begins some thousand processes, which on a busy machine take their time.
    lines = judges.ask(*argv, seconds=1800).stdout.splitlines()
    grades = [line.split()[-1] for line in lines if line.strip().startswith(("Overall Grade", "Final Score"))]
    return " ".join(reversed(grades)) or "-"


class FirstAnswer(threading.Thread):
    """Asks every 50 ms until a trusted answer comes; remembers when."""

    def __init__(self, client: Client, port: int = 443) -> None:
        super().__init__(daemon=True)
        self._client, self._port, self._begun = client, port, time.perf_counter()
        self.at = self.seconds = 0.0
        self.start()

    def run(self) -> None:
        while True:
            try:
                if self._client.get("/", port=self._port).status == 200:
                    self.at, self.seconds = time.time(), time.perf_counter() - self._begun
                    return
            except (OSError, ValueError, IndexError):
                pass
            time.sleep(0.05)

    def result(self) -> str:
        self.join(120)
        return f"{self.seconds:.1f} s"


def from_nothing(client: Client) -> None:
    """Docker, the images and the CA are there, and nothing else. The app takes a while to boot."""
    clear = (
        "systemctl stop sluice-edge sluice-edge-certificates.timer; rm -rf /etc/sluice/edge /usr/local/lib/sluice;"
        " rm -f /etc/systemd/system/sluice-edge*; docker rm -f sluice-edge-nginx by-hand >/dev/null 2>&1;"
        " docker rm -f shop-blue-server shop-blue-front >/dev/null"
    )
    ssh(clear)
    peer = FirstAnswer(client, HAND_PORT)
    ByHand("forky", HAND_PORT).from_nothing(START_APP, APP_ANSWERS)
    theirs = peer.result()
    ssh(clear)
    ours = FirstAnswer(client)
    settings = {"nginx_certbot_wait": False, "start_app": START_APP, "app_answers": APP_ANSWERS}
    play(playbook=PROJECT / "tests/bench/edge_from_nothing.yml", **settings)
    row(f"nothing to trusted HTTPS 200, app boots in {APP_BOOT} s", ours.result(), theirs, "ours with Ansible's start")
    made = float(ssh("stat -c %.W /etc/sluice/edge/conf"))
    row("  since the edge's first file", f"{ours.at - made:.1f} s", "-")


def renewals(client: Client, roots: str) -> None:
    conf = "/etc/sluice/edge/acme/renewal/shop.conf"
    with Load(client.address, DOMAIN, roots, rate=250, path="/") as load:
        begun = time.monotonic()
        for _ in range(10):
            ssh(
                f"grep -q renew_before {conf} || sed -i '1i renew_before_expiry = 3000 days' {conf};"
                " /usr/local/lib/sluice/edge-switch certificates"
            )
        time.sleep(max(0.0, 44 - (time.monotonic() - begun)))
    ssh(f"sed -i /renew_before_expiry/d {conf}")
    with ByHand("forky", HAND_PORT), Load(client.address, DOMAIN, roots, rate=250, path="/", port=HAND_PORT) as peer:
        for _ in range(10):
            time.sleep(4)
            ssh("docker exec by-hand nginx -s reload")
    told("ten renewals at 250 requests/s", load, peer, "the peer only reloads")


def switches(client: Client, roots: str) -> None:
    """Timed on the server, as the release that calls it waits for it."""
    milliseconds = []
    with Load(client.address, DOMAIN, roots, rate=350, path="/") as load:
        for turn in range(20):
            colour = "green" if turn % 2 == 0 else "blue"
            milliseconds.append(timed_switch(colour))
            time.sleep(4.6)
    told("twenty switches at 350 requests/s", load, None, "")
    row("  a switch: median, longest, ms", sorted(milliseconds)[10], max(milliseconds), "both ours")
    row("  the same without load", sorted(timed_switch(("green", "blue")[turn % 2]) for turn in range(10))[5], "-")


def hundred_sites(client: Client, roots: str) -> None:
    """As above on a host with 99 further sites, each with a container of its own."""
    start = "docker run -d --name site@ --network sluice-edge --network-alias site@ --entrypoint sleep"
    ssh(f"seq 99 | xargs -P2 -I@ {start} local/sluice-certbot:forky infinity >/dev/null")
    ssh("cd /usr/local/lib/sluice && PYTHONPATH=edge-switch python3 -", FURTHER_SITES)
    milliseconds = []
    with Load(client.address, DOMAIN, roots, rate=200, path="/") as load:
        for turn in range(20):
            milliseconds.append(timed_switch(("green", "blue")[turn % 2]))
            time.sleep(2)
    told("twenty switches of one of 100 sites, 200 requests/s", load, None, "")
    row("  a switch: median, longest, ms", sorted(milliseconds)[10], max(milliseconds), "both ours")
    row("  the same without load", sorted(timed_switch(("green", "blue")[turn % 2]) for turn in range(10))[5], "-")
    ssh("docker rm -f $(docker ps -q --filter name=site) >/dev/null")


def timed_switch(colour: str) -> int:
    targets = {service: [f"shop-{colour}-{service}:{port}"] for service, port in (("server", 3000), ("front", 3001))}
    command = "a=$(date +%s%N); /usr/local/lib/sluice/edge-switch to shop >&2; echo $((($(date +%s%N) - a) / 1000000))"
    return int(ssh(command, json.dumps({"colour": colour, "upstreams": targets})))


def told(what: str, ours: Load, peer: Load | None, note: str) -> None:
    loads = [load for load in (ours, peer) if load]
    row(what, *[f"{len(x.failures)} of {x.answered + len(x.failures)}" for x in loads] + ["-"] * (2 - len(loads)), note)
    row("  p99, ms", *[f"{1000 * x.percentile(0.99):.1f}" for x in loads] + ["-"] * (2 - len(loads)))
    for failure in ours.failures[:5]:
        print(f"    {failure}")


def main() -> None:
    tool("up", "debian13", "trixie")
    play(playbook=SCENARIO / "prepare.yml", docker_host_firewall_allow=[80, 443, HAND_PORT])
    play()
    address, roots = tool("ip", "debian13"), root_of_the_ca()
    client = Client(address, roots)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "roots.pem")
        file.write_text(roots)
        judges = Judges(DOMAIN, address, file)
        print(f"{'':<52} {'edge':>14} {'by hand':>14}")
        quick_apps()
        throughput(judges)
        play()
        apps = Apps(run_on_server)
        apps.start("blue")
        apps.start("green")
        apps.switch("blue")
        judged(judges, client)
        renewals(client, roots)
        switches(client, roots)
        hundred_sites(client, roots)
        from_nothing(client)


if __name__ == "__main__":
    try:
        main()
    finally:
        tool("down", "debian13")
