#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: site_probe
short_description: Check a site from outside, as its visitors meet it
version_added: 0.1.0
description:
  - Checks DNS, the way from HTTP to HTTPS, certificate, protocols, ciphers, security headers, HTTP/2, health, front,
    login, rate limit, foreign names and closed ports in one call, side by side.
  - Runs where visitors are, so on the controller and not on the server.
  - A failed check is a result and does not fail the task; M(sluice.deploy.verify_report) fails by all results.
author:
  - The sluice.deploy maintainers (@sluice)
requirements:
  - cryptography, for certificates; Ansible itself brings it
  - jmespath, for the login
extends_documentation_fragment:
  - sluice.deploy.reading
attributes:
  check_mode:
    description: It only reads, apart from logging in.
    support: full
options:
  domain:
    description: The site's name; an internationalised one as it is written, or in its ASCII form.
    type: str
    required: true
  aliases:
    description: Its further names.
    type: list
    elements: str
    default: []
  resolve_to:
    description: Address to probe instead of the one that DNS gives, for a site whose DNS is not set yet.
    type: str
    default: ""
  https_port:
    description: Port of HTTPS.
    type: int
    default: 443
  http_port:
    description: Port of HTTP.
    type: int
    default: 80
  ca_file:
    description: Root certificates to trust in place of the system's, for a private or test authority.
    type: path
    default: ""
  timeout:
    description:
      - Seconds to wait for each answer to go on; a whole one has three times as long.
      - What does not answer in time while much is asked at once is asked once more by itself.
    type: float
    default: 5
  username:
    description: User of a site behind basic authentication.
    type: str
    default: ""
  password:
    description: The password of O(username).
    type: str
    default: ""
  addresses:
    description: Addresses or names to which DNS must lead; any when empty.
    type: list
    elements: str
    default: []
  headers:
    description: Security headers, each with a regular expression that its value must match, case aside.
    type: dict
    default: {}
  health:
    description: Paths that must answer 200 and JSON, with C(expect), values by dotted key.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path.
        type: str
        required: true
      expect:
        description: Values that the JSON must hold, by dotted key such as V(info.database.status).
        type: dict
        default: {}
  front:
    description: The app's page; not looked at without a C(path).
    type: dict
    default: {}
    suboptions:
      path:
        description: Where it is.
        type: str
        default: ""
      script:
        description: Regular expression for the address of its script, which must be served as one.
        type: str
        default: \.m?js
      text:
        description: Text that the page must hold.
        type: str
        default: ""
  max_ms:
    description: Milliseconds to the first byte from which a page is a warning; V(0) for no limit.
    type: float
    default: 0
  min_days:
    description: Days that the certificate must have left, on top of a tenth of its life.
    type: float
    default: 0
  rate_limit:
    description: A burst that must be answered with 429 before its end; none is sent without C(requests).
    type: dict
    default: {}
    suboptions:
      path:
        description: Where to.
        type: str
        default: /
      requests:
        description: How many at most, up to 1000; the first 429 ends the burst.
        type: int
        default: 0
  closed_ports:
    description: TCP ports that must not accept connections.
    type: list
    elements: int
    default: []
  login:
    description: Steps that lead to a token, GraphQL requests one after the other.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the request goes.
        type: str
        required: true
      method:
        description: The HTTP method.
        type: str
        default: POST
      query:
        description: The GraphQL query.
        type: str
        required: true
      variables:
        description:
          - Its variables. C(${name}) stands for an entry of O(login_secrets), C(${token}) for what the step before
            has found.
        type: dict
        default: {}
      headers:
        description: Further headers, in which the same may be used.
        type: dict
        default: {}
      token:
        description: JMESPath to the token in the answer.
        type: str
        required: true
  login_secrets:
    description: Values for O(login), which appear nowhere else.
    type: dict
    default: {}
  browser:
    description:
      - Whether the page at C(front.path) is opened in a Chromium where the probe runs, V(auto) if one is installed,
        V(never), or the path or command of one that must be there.
      - What is blocked, what fails, exceptions, console errors and a page with nothing to see are findings. Root's
        Chromium runs as nobody.
    type: str
    default: never
    version_added: 0.2.0
"""

EXAMPLES = r"""
- name: The site is as it should be
  sluice.deploy.site_probe:
    domain: crm.example.com
    addresses: [203.0.113.7]
    headers:
      Strict-Transport-Security: max-age=\d{8}
    health:
      - path: /api/health
        expect: {status: ok}
    front: {path: /}
    closed_ports: [5432, 6379]
    login:
      - path: /graphql
        query: "mutation L($e: String!, $p: String!) { login(email: $e, password: $p) { accessToken } }"
        variables: {e: admin@example.com, p: "${password}"}
        token: data.login.accessToken
    login_secrets:
      password: "{{ vault_admin_password }}"
  delegate_to: localhost
  register: site
"""

RETURN = r"""
results: {description: 'One for each check, in the form of all gates.', returned: success, type: list, elements: dict}
status: {description: The gravest status among the results., returned: success, type: str}
"""

import base64
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import UserError
from ..module_utils.hostname import host_name
from ..module_utils.results import worst_status
from ..module_utils.siteprobe.login import Login
from ..module_utils.siteprobe.model import Target
from ..module_utils.siteprobe.probe import Wishes, probe

_HEALTH = {"path": {"type": "str", "required": True}, "expect": {"type": "dict", "default": {}}}
_FRONT = {
    "path": {"type": "str", "default": ""},
    "script": {"type": "str", "default": r"\.m?js"},
    "text": {"type": "str", "default": ""},
}
_BURST = {"path": {"type": "str", "default": "/"}, "requests": {"type": "int", "default": 0}}
_STEP = {
    "path": {"type": "str", "required": True},
    "method": {"type": "str", "default": "POST"},
    "query": {"type": "str", "required": True},
    "variables": {"type": "dict", "default": {}},
    "headers": {"type": "dict", "default": {}},
    # A JMESPath, so not itself a secret.
    "token": {"type": "str", "required": True, "no_log": False},
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "domain": {"type": "str", "required": True},
    "aliases": {"type": "list", "elements": "str", "default": []},
    "resolve_to": {"type": "str", "default": ""},
    "https_port": {"type": "int", "default": 443},
    "http_port": {"type": "int", "default": 80},
    "ca_file": {"type": "path", "default": ""},
    "timeout": {"type": "float", "default": 5.0},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "headers": {"type": "dict", "default": {}},
    "health": {"type": "list", "elements": "dict", "default": [], "options": _HEALTH},
    "front": {"type": "dict", "default": {}, "options": _FRONT},
    "max_ms": {"type": "float", "default": 0.0},
    "min_days": {"type": "float", "default": 0.0},
    "rate_limit": {"type": "dict", "default": {}, "options": _BURST},
    "closed_ports": {"type": "list", "elements": "int", "default": []},
    "login": {"type": "list", "elements": "dict", "default": [], "options": _STEP},
    "login_secrets": {"type": "dict", "default": {}, "no_log": True},
    "browser": {"type": "str", "default": "never"},
}
_TARGET = ("resolve_to", "https_port", "http_port", "ca_file", "timeout")
_WISHES = ("addresses", "headers", "health", "front", "max_ms", "min_days", "rate_limit", "closed_ports", "browser")


def wishes(params: dict[str, Any]) -> Wishes:
    """The module's options as the probe takes them."""
    login = f"{params['username']}:{params['password']}".encode()
    target = Target(
        **{name: params[name] for name in _TARGET},
        domain=host_name(params["domain"], "domain"),
        aliases=tuple(host_name(name, "aliases") for name in params["aliases"]),
        authorization=f"Basic {base64.b64encode(login).decode()}" if params["username"] else "",
    )
    secrets = {name: str(value) for name, value in params["login_secrets"].items()}
    return Wishes(target=target, login=Login(params["login"], secrets), **{name: params[name] for name in _WISHES})


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        results = probe(wishes(module.params))
    except UserError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, results=results, status=worst_status(results))


if __name__ == "__main__":
    main()
