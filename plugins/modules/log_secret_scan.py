#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: log_secret_scan
short_description: Search logs for leaked secrets
version_added: 0.1.0
author: The sluice.deploy maintainers (@sluice)
description:
  - Searches container logs, the journal, image histories, build logs, files and texts for secrets, and fails when
    it finds one.
  - Finds the deployment's own secret values in every form they leak in (raw, URL-encoded, JSON, HTML,
    quoted for a shell, SQL or YAML, base64, base32, hex, a hexadecimal dump, over several lines, cut in two by Docker),
    tokens of some 200 providers by their format, and credentials in URLs, headers, assignments and command lines.
  - Reads the logs of the C(json-file) and C(local) drivers where they lie, rotated files included, and others
    through the engine's API.
  - Uses libhs (Debian packages C(libhyperscan5) or C(libvectorscan5)) where it is installed, and slower plain Python
    with the same findings where not.
  - No secret is ever part of the result, only its kind, its place, a redacted line and a keyed fingerprint.
options:
  project:
    description: Compose project whose containers, running or stopped, are scanned.
    type: str
  containers:
    description: Containers to scan, by name or id.
    type: list
    elements: str
    default: []
  labels:
    description: Scan the containers that have all of these labels, each as V(name) or V(name=value).
    type: list
    elements: str
    default: []
  journal_units:
    description: Systemd units whose journal is scanned.
    type: list
    elements: str
    default: []
  images:
    description: Images whose history, environment, command and labels are scanned.
    type: list
    elements: str
    default: []
  paths:
    description:
      - Files and globs to scan, with the files rotated away from them.
      - Files packed with gzip, bzip2, xz, zip and (where the host has C(zstd)) Zstandard are read, and so is UTF-16.
      - RV(notes) names what lies there and is not read, and makes the verdict a warning.
    type: list
    elements: path
    default: []
  texts:
    description: Texts to scan, by name, such as the logs of a deployment on another server.
    type: dict
    default: {}
  secrets:
    description:
      - The deployment's own secret values, by name. Searched for in every encoding.
      - A value of under 8 characters is named in the result and not searched for on its own.
      - With pipelining on, which this collection's C(ansible.cfg) sets, they reach the server without touching its
        disk.
    type: dict
    default: {}
  secret_files:
    description: Files and globs on the server that hold one secret value each, named by the file. Nothing is sent.
    type: list
    elements: path
    default: []
  since:
    description: Scan only records from then on, as V(2026-01-31T12:00:00Z) or as an age like V(15m).
    type: str
  until:
    description: Scan only records before then, in the same forms.
    type: str
  state_file:
    description:
      - Remembers here how far each log was read, so that the next scan reads only what is new. What it found stays
        open, and is reported again, as long as the log that holds it is there.
      - Holds no secret and no log text.
    type: path
  fingerprint_key:
    description:
      - Makes the fingerprints, so that they are the same on every host and in every run.
      - Without it the fingerprints are made with a random key that O(state_file) keeps, or forgets.
    type: str
  ignore:
    description: Findings that someone took responsibility for, until a day.
    type: list
    elements: dict
    default: []
    suboptions:
      fingerprint:
        description: As reported.
        type: str
        required: true
      reason:
        description: Why the finding does no harm.
        type: str
        required: true
      expires:
        description: The last day on which the exception holds, as V(2027-01-31).
        type: str
        required: true
  rules:
    description:
      - Rules of your own, with the keys of the built-in ones in C(plugins/module_utils/secretscan/rules/rules_data.py).
        Needed are C(id), C(title) and C(pattern).
    type: list
    elements: dict
    default: []
  disable_rules:
    description: Built-in rules to leave out, by id.
    type: list
    elements: str
    default: []
  keywords:
    description: What to do about lines that merely hold the words password, secret or token.
    type: str
    choices: ["off", report, warn, fail]
    default: report
  fail_on:
    description:
      - The least severity that fails; lesser findings warn.
      - V(high) is what opens a door by itself. V(medium) may be over or guarded otherwise, such as a JSON Web Token,
        the session of a user, or a token with a wrong checksum. V(low) is made for the public, such as a publishable
        or a browser's key, or is the hash of a password.
    type: str
    choices: [low, medium, high, never]
    default: medium
  enforce:
    description: Whether a failed gate fails the task. When false, only RV(gate) says so.
    type: bool
    default: true
  max_findings:
    description: How many findings to return in full. All are counted.
    type: int
    default: 200
  engine:
    description: What searches. V(auto) takes libhs where it is installed.
    type: str
    choices: [auto, libhs, python]
    default: auto
  threads:
    description: How many threads read a large log; V(0) for one a processor, up to four.
    type: int
    default: 0
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
  gate_id:
    description: The id under which the gate reports.
    type: str
    default: log_secrets
attributes:
  check_mode:
    description: Reads only; in check mode O(state_file) is not written either.
    support: full
  diff_mode:
    description: There is nothing to change, so there is no diff.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: No secret stands in the release's logs
  sluice.deploy.log_secret_scan:
    project: twenty-blue
    secrets: "{{ vault_stack_secrets }}"
    state_file: /var/lib/sluice/log-scan.json

- name: The build log holds no secret
  sluice.deploy.log_secret_scan:
    paths: [/var/lib/sluice/builds/*.log]
    secret_files: [/opt/twenty/secrets/*]
    keywords: "off"

- name: A rule of our own, and an exception with an end
  sluice.deploy.log_secret_scan:
    containers: [web]
    rules:
      - id: acme-token
        title: Acme access token
        pattern: "acme_[a-z0-9]{32}"
    fingerprint_key: "{{ vault_fingerprint_key }}"
    ignore:
      - fingerprint: 3f1c0a9be2d4571f60a2b7c9
        reason: The demo tenant's published key
        expires: "2027-01-31"
"""

RETURN = r"""
gate:
  description: The verdict in the form that all gates share.
  returned: always
  type: dict
  sample: {id: log_secrets, status: pass, measured: 0, limit: 0}
findings:
  description: One entry for each secret in each source, gravest first, without the secret.
  returned: always
  type: list
  elements: dict
  contains:
    rule: {description: Id of the rule that found it., type: str}
    title: {description: What it is., type: str}
    severity: {description: "V(high), V(medium) or V(low).", type: str}
    source: {description: Where it was found., type: str}
    stream: {description: Stream of the record., type: str}
    time: {description: The record's own time., type: str}
    last_time: {description: Time of the last record that holds it., type: str}
    offset: {description: Where the record begins in its file., type: int}
    line: {description: What leads up to the secret., type: str}
    fingerprint: {description: Names the secret for O(ignore)., type: str}
    count: {description: How many records hold it., type: int}
    verified: {description: Whether its checksum is right; null for a kind that has none., type: bool}
    new: {description: Whether this scan found it rather than an earlier one., type: bool}
ignored:
  description: Findings that O(ignore) excuses, with reason and expiry.
  returned: always
  type: list
  elements: dict
findings_total:
  description: How many findings there are, also beyond O(max_findings).
  returned: always
  type: int
uncounted:
  description: Occurrences of secrets beyond the 1,000 different ones of each severity in a source that are kept apart.
  returned: always
  type: int
keyword_lines:
  description: How many lines hold one of the keywords.
  returned: always
  type: int
keywords:
  description: How many lines hold each keyword.
  returned: always
  type: dict
scanned:
  description: The sources that were read.
  returned: always
  type: list
  elements: str
notes:
  description: What could not be read, and other things to know.
  returned: always
  type: list
  elements: str
too_short:
  description: Names of secrets that are too short to be searched for.
  returned: always
  type: list
  elements: str
bytes_scanned:
  description: How much was read.
  returned: always
  type: int
seconds:
  description: How long the scan took.
  returned: always
  type: float
engine:
  description: What searched.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.results import conclude
from ..module_utils.secretscan.answer import ARGUMENT_SPEC, answer, hidden


def main() -> None:
    """Scan, and say what was found."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    params = dict(module.params)
    module.no_log_values = hidden(params)
    for key in ("texts", "secrets", "fingerprint_key"):
        module.params[key] = f"{len(params[key] or '')} not shown"
    conclude(module, answer(params, write=not module.check_mode))


if __name__ == "__main__":
    main()
