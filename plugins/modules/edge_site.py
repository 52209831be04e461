#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_site
short_description: Serve a stack over HTTPS
version_added: 0.1.0
description:
  - Puts a stack on the host's edge, an nginx in its own Compose project, or takes it off.
  - Renders nginx's configuration, has nginx test it, swaps it as a whole and reloads. A configuration that
    nginx refuses never replaces a good one.
  - Starts with a self-signed certificate, and has the real one got in the background.
    M(sluice.deploy.edge_certificate) waits for it.
  - Until a release switches the edge to itself, visitors get a maintenance page with status 503.
author:
  - The sluice.deploy maintainers (@sluice)
requirements:
  - On the host Docker with Compose v2, systemd, openssl and Python 3.10 or later.
options:
  state:
    description: Whether the edge serves the stack.
    type: str
    choices: [present, absent]
    default: present
  forget_certificate:
    description: For O(state=absent), remove the stack's certificate and DNS credentials too, which stay otherwise.
    type: bool
    default: false
  stack:
    description:
      - The stack description, with the keys C(name), C(domain), C(domain_aliases), C(services) and C(routes).
      - For O(state=absent) the name suffices.
    type: dict
    required: true
  image:
    description: nginx's image, 1.22 or later.
    type: str
  certbot_image:
    description: certbot's image. For a DNS challenge it must hold the plugin.
    type: str
  project:
    description: Name of the edge's Compose project.
    type: str
    default: sluice-edge
  network:
    description:
      - Docker network that the edge shares with the web services; made when it is missing. An overlay network, which
        spans the nodes of a swarm, is made before.
    type: str
    default: sluice-edge
  http_port:
    description: The host's port for HTTP. A public CA checks port 80 only.
    type: int
    default: 80
  https_port:
    description: The host's port for HTTPS.
    type: int
    default: 443
  publish:
    description: Addresses of the host to publish the ports on; all when empty.
    type: list
    elements: str
    default: []
  lead:
    description:
      - On a swarm, the address of the node whose edge gets the certificates, on all other edges. These start with a
        self-signed one, hand a CA's questions on to the lead, and are brought the certificate by it.
      - Empty on the lead itself, and on a host that stands alone.
    type: str
    default: ""
  ports_given_up_by:
    description: A Compose project whose containers stop where they hold the edge's ports, right before it takes them.
    type: str
    default: ""
  tls_profile:
    description: Mozilla's TLS profile; V(modern) is TLS 1.3 alone.
    type: str
    choices: [intermediate, modern]
    default: intermediate
  trusted_proxies:
    description: Networks of proxies in front of the edge, whose X-Forwarded-For is believed.
    type: list
    elements: str
    default: []
  security_headers:
    description: Headers in place of, or beside, the built-in ones; an empty value leaves a header to the app.
    type: dict
    default: {}
  csp:
    description: The Content-Security-Policy; empty leaves it to the app, absent takes the built-in one.
    type: str
  csp_mode:
    description:
      - Whether browsers keep to the policy (V(enforce)), only tell what it would forbid (V(report)), or are left to
        the app (V(app)). An answer of the app that has a policy of its own keeps it.
    type: str
    choices: [enforce, report, app]
    default: report
  csp_hash_scripts:
    description: At every switch, allow the inline scripts of the page that the release serves at C(/).
    type: bool
    default: false
  body_size:
    description: Largest request body, where a route sets none of its own.
    type: str
    default: 100MiB
  rate_limits:
    description: Rates by name, such as C(10r/s); V(default) is the one of routes that set a burst alone.
    type: dict
    default: {}
  basic_auth:
    description: Lines of an htpasswd file; with any, the stack is a closed preview.
    type: list
    elements: str
    default: []
  aliases:
    description: Whether the stack's aliases lead to its domain, or serve alike.
    type: str
    choices: [redirect, serve]
    default: redirect
  users:
    description: Lines of an htpasswd file, for the rules of O(access).
    type: list
    elements: str
    default: []
  access:
    description:
      - Who may come to the paths that begin with one; of several that fit, the rule with the longest path counts alone.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Beginning of the paths.
        type: str
        default: /
      host:
        description: Name of a route with a host of its own; by default the stack's domain.
        type: str
      allow:
        description: Networks that may come.
        type: list
        elements: str
        default: []
      users:
        description: Users of O(users) that may come, with their passwords.
        type: list
        elements: str
        default: []
      forward_auth:
        description:
          - A web service of the stack that is asked about each request. Its status 2xx lets in, 401 sends a browser to
            the sign-in, anything else refuses.
        type: dict
        suboptions:
          service:
            description: The service.
            type: str
            required: true
          path:
            description: What is asked of it, such as V(/oauth2/auth).
            type: str
            default: /
          sign_in:
            description: Path or https URL that a browser is sent to; the address that it wanted is appended.
            type: str
          headers:
            description: Headers of its answer that the app gets, and no visitor can send.
            type: list
            elements: str
            default: [Remote-User, Remote-Groups, Remote-Email, Remote-Name]
  maintenance:
    description: Whether visitors get the maintenance page; unset, it stays as it is.
    type: bool
  maintenance_allow:
    description: Networks that see the site during maintenance.
    type: list
    elements: str
    default: []
  response_header_size:
    description: How long all headers of an answer of the app may be.
    type: str
    default: 64KiB
  request_header_size:
    description: How long one header of a request may be, or its first line. All stacks of a host share it.
    type: str
    default: 16KiB
  shutdown_timeout:
    description: Seconds that WebSockets and other long answers outlive a reload. All stacks of a host share it.
    type: int
    default: 300
  stream_timeout:
    description: Seconds that a stream, or a WebSocket on a stream route, may be silent.
    type: int
    default: 3600
  cache:
    description: Static files that the edge keeps, as far as the app's own headers allow.
    type: dict
    suboptions:
      paths:
        description: Beginnings of their paths, such as V(/assets/).
        type: list
        elements: str
        required: true
      size:
        description: How much is kept.
        type: str
        default: 100MiB
      seconds:
        description: How long those are kept whose headers do not say.
        type: int
        default: 600
  extra:
    description:
      - Directives of nginx for the servers of this stack. They can neither leave them nor bring in files, and nginx
        tests them before they serve.
    type: str
    default: ''
  ports:
    description: TCP and UDP ports of the host that lead to a web service; nginx needs its stream module for them.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The host's port.
        type: int
        required: true
      service:
        description: The service.
        type: str
        required: true
      target:
        description: The service's port; by default the same.
        type: int
      protocol:
        description: Which one.
        type: str
        choices: [tcp, udp]
        default: tcp
      tls:
        description: Whether the edge ends TLS, with the stack's certificate.
        type: bool
        default: false
      allow:
        description: Networks that may connect; all when empty.
        type: list
        elements: str
        default: []
  maintenance_page:
    description: HTML that is shown with status 503 while no release serves.
    type: str
  retry_after:
    description: Seconds that the maintenance page asks clients to wait.
    type: int
    default: 30
  certificate:
    description: Where the certificate comes from.
    type: dict
    default: {}
    suboptions:
      kind:
        description: From a CA by ACME, the user's own, or self-signed for good.
        type: str
        choices: [acme, own, self_signed]
        default: acme
      email:
        description: Address of the account at the CA.
        type: str
      directory:
        description: URL of the CA's ACME directory.
        type: str
        default: https://acme-v02.api.letsencrypt.org/directory
      key_type:
        description: Kind of key.
        type: str
        choices: [ecdsa, rsa]
        default: ecdsa
      profile:
        description: The CA's certificate profile, such as V(shortlived) or V(tlsserver); empty for its default.
        type: str
        default: ''
      dns_plugin:
        description: certbot's DNS plugin for a dns-01 challenge, such as V(cloudflare); empty for http-01.
        type: str
        default: ''
      dns_credentials:
        description: Content of the plugin's credentials file.
        type: str
        default: ''
      dns_propagation:
        description: Seconds to wait for the DNS to tell the world.
        type: int
        default: 60
      ca_bundle:
        description: File on the host with the CA that the directory's own certificate is checked against.
        type: str
        default: ''
  own_certificate:
    description: The user's own certificate, for O(certificate.kind=own).
    type: dict
    suboptions:
      certificate:
        description: Certificate with its chain, PEM.
        type: str
        required: true
      key:
        description: Its private key, PEM, without a password.
        type: str
        required: true
  directory:
    description: Where the edge lives on the host.
    type: path
    default: /etc/sluice/edge
attributes:
  check_mode:
    description: Can run in check mode and say what would change.
    support: full
  diff_mode:
    description: Shows the configuration before and after; keys, hashes and credentials never.
    support: full
  idempotent:
    description: The same settings again change nothing and ask no CA.
    support: full
seealso:
  - module: sluice.deploy.edge_certificate
"""

EXAMPLES = r"""
- name: The stack is reachable over HTTPS
  sluice.deploy.edge_site:
    stack:
      name: crm
      domain: crm.example.com
      services: {app: {image: 'example/crm:1.2', port: 3000, health: {path: /healthz}}}
      routes: [{path: /, service: app}]
    image: nginx:1.30.6
    certbot_image: certbot/certbot:v5.8.0
    certificate: {email: ops@example.com}

- name: The stack is gone from the edge
  sluice.deploy.edge_site:
    stack: {name: crm}
    state: absent
"""

RETURN = r"""
certificate:
  description: What the served certificate says.
  returned: when the stack is on the edge
  type: dict
  sample: {names: [crm.example.com], issuer: "CN=E7,O=Let's Encrypt,C=US", self_signed: false}
certificate_pending:
  description: A CA is being asked for the real certificate in the background.
  returned: always
  type: bool
  sample: true
certificate_settled:
  description: M(sluice.deploy.edge_certificate) would find nothing to wait for, and nothing to warn of.
  returned: always
  type: bool
  sample: false
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.edge.install import (
    SiteChange,
    put,
    summary,
    take_off,
)
from ..module_utils.edge.parse import parse_site
from ..module_utils.edge.parse_host import parse_edge
from ..module_utils.edge.store import Store
from ..module_utils.errors import UserError
from ..module_utils.stack.parse import parse_stack


def argument_spec() -> dict[str, Any]:
    certificate = {
        "kind": {"type": "str", "choices": ["acme", "own", "self_signed"], "default": "acme"},
        "email": {"type": "str"},
        "directory": {"type": "str", "default": "https://acme-v02.api.letsencrypt.org/directory"},
        "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "default": "ecdsa", "no_log": False},
        "profile": {"type": "str", "default": ""},
        "dns_plugin": {"type": "str", "default": ""},
        "dns_credentials": {"type": "str", "default": "", "no_log": True},
        "dns_propagation": {"type": "int", "default": 60},
        "ca_bundle": {"type": "str", "default": ""},
    }
    pair = {
        "certificate": {"type": "str", "required": True},
        "key": {"type": "str", "required": True, "no_log": True},
    }
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "forget_certificate": {"type": "bool", "default": False},
        "stack": {"type": "dict", "required": True},
        "image": {"type": "str"},
        "certbot_image": {"type": "str"},
        "project": {"type": "str", "default": "sluice-edge"},
        "network": {"type": "str", "default": "sluice-edge"},
        "http_port": {"type": "int", "default": 80},
        "https_port": {"type": "int", "default": 443},
        "publish": {"type": "list", "elements": "str", "default": []},
        "lead": {"type": "str", "default": ""},
        "ports_given_up_by": {"type": "str", "default": ""},
        "tls_profile": {"type": "str", "choices": ["intermediate", "modern"], "default": "intermediate"},
        "trusted_proxies": {"type": "list", "elements": "str", "default": []},
        "security_headers": {"type": "dict", "default": {}},
        "csp": {"type": "str"},
        "csp_mode": {"type": "str", "choices": ["enforce", "report", "app"], "default": "report"},
        "csp_hash_scripts": {"type": "bool", "default": False},
        "body_size": {"type": "str", "default": "100MiB"},
        "rate_limits": {"type": "dict", "default": {}},
        "basic_auth": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "aliases": {"type": "str", "choices": ["redirect", "serve"], "default": "redirect"},
        "users": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "access": {"type": "list", "elements": "dict", "default": [], "options": _access_spec()},
        "maintenance": {"type": "bool"},
        "maintenance_allow": {"type": "list", "elements": "str", "default": []},
        "response_header_size": {"type": "str", "default": "64KiB"},
        "request_header_size": {"type": "str", "default": "16KiB"},
        "shutdown_timeout": {"type": "int", "default": 300},
        "stream_timeout": {"type": "int", "default": 3600},
        "cache": {"type": "dict", "options": _cache_spec()},
        "extra": {"type": "str", "default": ""},
        "ports": {"type": "list", "elements": "dict", "default": [], "options": _port_spec()},
        "maintenance_page": {"type": "str"},
        "retry_after": {"type": "int", "default": 30},
        "certificate": {"type": "dict", "default": {}, "options": certificate},
        "own_certificate": {"type": "dict", "options": pair},
        "directory": {"type": "path", "default": "/etc/sluice/edge"},
    }


def _access_spec() -> dict[str, Any]:
    forward = {
        "service": {"type": "str", "required": True},
        "path": {"type": "str", "default": "/"},
        "sign_in": {"type": "str"},
        "headers": {
            "type": "list",
            "elements": "str",
            "default": ["Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name"],
        },
    }
    return {
        "path": {"type": "str", "default": "/"},
        "host": {"type": "str"},
        "allow": {"type": "list", "elements": "str", "default": []},
        "users": {"type": "list", "elements": "str", "default": []},
        "forward_auth": {"type": "dict", "options": forward},
    }


def _cache_spec() -> dict[str, Any]:
    return {
        "paths": {"type": "list", "elements": "str", "required": True},
        "size": {"type": "str", "default": "100MiB"},
        "seconds": {"type": "int", "default": 600},
    }


def _port_spec() -> dict[str, Any]:
    return {
        "port": {"type": "int", "required": True},
        "service": {"type": "str", "required": True},
        "target": {"type": "int"},
        "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "tls": {"type": "bool", "default": False},
        "allow": {"type": "list", "elements": "str", "default": []},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "present", ("image", "certbot_image"))],
    )
    store = Store(Path(module.params["directory"]))
    name = str(module.params["stack"].get("name", ""))
    try:
        outcome = _serve(module, store) if module.params["state"] == "present" else _remove(module, store, name)
        certificate = {} if module.check_mode else summary(store.files(), name)
    except UserError as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {
        "changed": outcome.changed,
        "certificate_pending": outcome.certificate_pending,
        "certificate_settled": outcome.certificate_settled,
    }
    if certificate:
        result["certificate"] = certificate
    if module._diff:
        result["diff"] = _diff(outcome)
    module.exit_json(**result)


def _serve(module: AnsibleModule, store: Store) -> SiteChange:
    params = module.params
    site = parse_site(parse_stack(params["stack"]), params)
    own = params["own_certificate"]
    return put(
        store,
        parse_edge(params),
        site,
        (own["certificate"].encode(), own["key"].encode()) if own else None,
        params["certificate"].get("dns_credentials") or "",
        check=module.check_mode,
        maintenance=params["maintenance"],
        given_up_by=params["ports_given_up_by"],
    )


def _remove(module: AnsibleModule, store: Store, name: str) -> SiteChange:
    if not name:
        raise UserError("stack_name is missing: which stack is to leave the edge?")
    return take_off(store, name, module.params["forget_certificate"], check=module.check_mode)


def _diff(outcome: SiteChange) -> list[dict[str, str]]:
    return [
        {
            "before_header": name,
            "after_header": name,
            "before": outcome.before.get(name, ""),
            "after": outcome.after.get(name, ""),
        }
        for name in sorted({*outcome.before, *outcome.after})
        if outcome.before.get(name) != outcome.after.get(name)
    ]


if __name__ == "__main__":
    main()
