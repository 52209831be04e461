# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge's Compose file and systemd units, as text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .engine import container_name
from .model import Edge
from .render_ports import inner_port
from .render_site import HTTP_PORT, HTTPS_PORT
from .site import PortRoute

_COMPOSE = """\
# Written by sluice.deploy; edits are lost.
name: {project}
services:
  nginx:
    image: {image}
    container_name: {container}
    entrypoint: [nginx, -e, stderr, -p, /etc/edge/current/, -c, nginx.conf, -g, daemon off;]
    user: "{uid}:{uid}"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    # After a reboot the watcher starts it, once it knows where the apps are.
    restart: on-failure
    stop_signal: SIGQUIT
    stop_grace_period: 30s
    tmpfs: ["/tmp:mode=1777,size=16m"]
    ports: [{ports}]
    networks: [edge]
{overlay}    volumes:
      - ./conf:/etc/edge:ro
      - ./webroot:/var/www/acme:ro
      - ./cache:/var/cache/edge
    logging: {{driver: json-file, options: {{max-size: 10m, max-file: "5"}}}}
networks:
  edge: {{name: {network}, external: true}}
"""

# DNS need not ask elsewhere for an alias that nobody has; and what was sent to a host that has died fails
# within some 13 s, so that nginx can send it elsewhere.
_OVERLAY = """\
    dns_opt: ["ndots:1"]
    sysctls: {net.ipv4.tcp_retries2: 5}
"""

_WATCHER = """\
# Written by sluice.deploy; edits are lost.
[Unit]
Description=Edge: nginx, and where its upstreams are
# It alone starts nginx after a boot, so systemd never gives it up.
StartLimitIntervalSec=0
After=docker.service network-online.target
Wants=network-online.target
BindsTo=docker.service

[Service]
ExecStart={command} --root {root} watch
Restart=always
RestartSec=1

[Install]
WantedBy=docker.service
"""

_CERTIFICATES = """\
# Written by sluice.deploy; edits are lost.
[Unit]
Description=Edge: get and renew certificates
After=docker.service network-online.target sluice-edge.service
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command} --root {root} certificates
"""

_INBOX = """\
# Written by sluice.deploy; edits are lost.
[Unit]
Description=Edge: answer the swarm
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={command} --root {root} inbox
"""

_INBOX_PATH = """\
# Written by sluice.deploy; edits are lost.
[Unit]
Description=Edge: the swarm asks

[Path]
PathExistsGlob={root}/inbox/*.request

[Install]
WantedBy=paths.target
"""

_TIMER = """\
# Written by sluice.deploy; edits are lost.
[Unit]
Description=Edge: get and renew certificates twice a day

[Timer]
OnCalendar=*-*-* 00,12:00:00
RandomizedDelaySec=6h
Persistent=true

[Install]
WantedBy=timers.target
"""


def compose_file(edge: Edge, routes: Iterable[PortRoute] = ()) -> str:
    pairs: list[tuple[int, str]] = [(edge.http_port, str(HTTP_PORT)), (edge.https_port, str(HTTPS_PORT))]
    pairs += ((r.port, f"{inner_port(r.port)}/{r.protocol}") for r in routes)
    ports = [f'"{_host(a)}{outer}:{inner}"' for a in (edge.publish or ("",)) for outer, inner in pairs]
    return _COMPOSE.format(
        project=edge.project,
        image=edge.image,
        container=container_name(edge),
        uid=edge.uid,
        ports=", ".join(ports),
        network=edge.network,
        overlay=_OVERLAY if edge.overlay else "",
    )


def _host(address: str) -> str:
    if not address:
        return ""
    return f"[{address}]:" if ":" in address else f"{address}:"


def units(command: Path, root: Path, overlay: bool = False) -> dict[str, str]:
    """Unit name → content."""
    texts = {
        "sluice-edge.service": _WATCHER,
        "sluice-edge-certificates.service": _CERTIFICATES,
        "sluice-edge-certificates.timer": _TIMER,
    }
    if overlay:
        texts |= {"sluice-edge-inbox.service": _INBOX, "sluice-edge-inbox.path": _INBOX_PATH}
    return {name: text.format(command=command, root=root) for name, text in texts.items()}
