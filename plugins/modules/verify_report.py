#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: verify_report
short_description: Show and write the results of checks, and fail by the worst
version_added: 0.1.0
description:
  - Prints a table on the terminal, and writes JSON, JUnit XML and one self-contained HTML page on the controller.
  - The page has no script and loads nothing.
  - Fails when nothing was measured, as that is no pass.
author:
  - The sluice.deploy maintainers (@sluice)
attributes:
  check_mode:
    description: Shows the table, writes no file and does not fail.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: A report is new each time, and never counts as a change.
    support: full
options:
  title:
    description: What was checked.
    type: str
    required: true
  sources:
    description: Where results come from, one entry a task.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: Id of the check that stands in when the task has no results.
        type: str
      title:
        description: Its title.
        type: str
      registered:
        description: What the task has registered, with C(results) or C(gate), and C(images) with their layers.
        type: dict
      skipped:
        description: Why the task was skipped, if it was.
        type: str
  url:
    description: The site's address.
    type: str
    default: ""
  directory:
    description: Where the files go; a relative path begins where the play is run. None is written when empty.
    type: path
    default: ""
  name:
    description:
      - The files' name, to which C(.json), C(.xml) and C(.html) are added.
      - It has no slash or control character, does not begin with a dot, and has at most 200 bytes.
    type: str
    default: report
  waivers:
    description: Reasons for which failures are accepted, by check id or pattern; these become warnings.
    type: dict
    default: {}
  fail_on:
    description: The status from which the task fails.
    type: str
    choices: [fail, warn, never]
    default: fail
  history:
    description:
      - How many runs are kept beside the report, as JSON lines in O(name) with C(.runs.jsonl); V(0) for none.
      - With them the report tells what got worse or better since the last run, and draws how timings, sizes,
        certificate and disk have moved.
    type: int
    default: 0
    version_added: 0.2.0
  started:
    description: When the checks began, in seconds since the epoch.
    type: float
"""

EXAMPLES = r"""
- name: The site passes
  sluice.deploy.verify_report:
    title: crm.example.com
    directory: reports
    sources:
      - {id: site, title: The site from outside, registered: "{{ site }}"}
    waivers:
      image_size.server: The smaller base image comes with the next release.
"""

RETURN = r"""
status:
  description: The gravest status.
  returned: always
  type: str
counts:
  description: How many results have each status.
  returned: always
  type: dict
changes:
  description: What got worse and better since the run before, in one line; empty for the first.
  returned: always
  type: str
files:
  description: The files that were written, by kind.
  returned: always
  type: dict
  sample: {json: reports/crm.json, xml: reports/crm.xml, html: reports/crm.html}
"""
