"""The peer of the edge's benchmark: the same stack behind an nginx.conf as one writes it by hand."""

from __future__ import annotations

import pathlib

from conftest import run_on_server

CONFIGURATION = pathlib.Path(__file__).with_name("edge_by_hand.conf")
_CPU = """
master=$(docker inspect -f '{{.State.Pid}}' %s)
for pid in $master $(cat /proc/$master/task/$master/children); do cut -d' ' -f14,15 /proc/$pid/stat; done
getconf CLK_TCK
"""


def ssh(command: str, stdin: str = "") -> str:
    return run_on_server(command, stdin).stdout


def cpu_seconds(container: str) -> float:
    """What an nginx's processes have used, kernel included."""
    *ticks, second = map(int, ssh(_CPU % container).split())
    return sum(ticks) / second


class ByHand:
    """An nginx container beside the edge, with the edge's own certificate; from entry to exit."""

    FOLDER = "/root/by-hand"

    def __init__(self, image: str, port: int) -> None:
        self._image, self._port = image, port

    def __enter__(self) -> ByHand:
        ssh(
            f"mkdir -p {self.FOLDER} && rm -rf {self.FOLDER}/tls"
            f" && cp -r /etc/sluice/edge/conf/current/tls {self.FOLDER}/tls && chmod -R u+w {self.FOLDER}/tls"
        )
        ssh(self._start())
        return self

    def __exit__(self, *exception: object) -> None:
        ssh("docker rm -f by-hand")

    def _start(self) -> str:
        ssh(f"mkdir -p {self.FOLDER}; cat > {self.FOLDER}/nginx.conf", CONFIGURATION.read_text())
        return (
            "docker rm -f by-hand >/dev/null 2>&1; docker run -d --name by-hand --network sluice-edge"
            f" -p {self._port}:443 -v {self.FOLDER}/nginx.conf:/etc/nginx/nginx.conf:ro"
            f" -v {self.FOLDER}/tls:/etc/nginx/tls:ro local/sluice-nginx:{self._image} >/dev/null"
        )

    def from_nothing(self, start_app: str, app_answers: str) -> None:
        """One after the other: the certificate, for nginx does not start without; the app; nginx."""
        nginx = self._start()
        certbot = (
            "docker run --rm -p 80:80 --network sluice-edge -v /etc/ssl/pebble.pem:/ca.pem:ro -e REQUESTS_CA_BUNDLE=/ca.pem"
            f" -v {self.FOLDER}/letsencrypt:/etc/letsencrypt local/sluice-certbot:forky certonly --standalone"
            " --non-interactive --agree-tos --email ops@shop.test --server https://pebble:14000/dir -d shop.test"
        )
        copy = (
            f"rm -rf {self.FOLDER}/tls && mkdir {self.FOLDER}/tls && cd {self.FOLDER}/letsencrypt/live/shop.test"
            f" && cp fullchain.pem {self.FOLDER}/tls/shop.pem && cp privkey.pem {self.FOLDER}/tls/shop.key"
        )
        ssh(f"set -e; rm -rf {self.FOLDER}/letsencrypt; {certbot}; {copy}; {start_app}; {app_answers}; {nginx}")
