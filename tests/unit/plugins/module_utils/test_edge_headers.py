# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import hashlib
import time

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge.headers import (
    CONTENT_SECURITY_POLICY,
    allow_scripts,
    inline_script_hashes,
    security_headers,
)


def sha(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@pytest.mark.parametrize(
    ("html", "scripts"),
    [
        ("<p>none</p>", []),
        ("<script>a()</script>", ["a()"]),
        ("<script src='/x.js'></script><SCRIPT type=module>\n b && c < d \n</SCRIPT>", ["\n b && c < d \n"]),
        ("<script>a()</script><script>a()</script>", ["a()"]),
        ("<script>'&amp; &lt;'</script>", ["'&amp; &lt;'"]),
        ("<script>ü€</script>", ["ü€"]),
        ("<script>a()</script><![odd[", ["a()"]),
        ("<script>a()\r\nb()\rc()</script>", ["a()\nb()\nc()"]),
        ("<script>x = '<p>'</script>", ["x = '<p>'"]),
        ("<script defer >a('</scripty>')</script ><script>never ends", ["a('</scripty>')"]),
        ("<!-- <script>a()</script> --><noscript><script>b()</script></noscript><script>c()</script>", ["c()"]),
    ],
)
def test_hashes_are_of_the_exact_text(html, scripts):
    assert inline_script_hashes(html) == tuple(sha(script) for script in scripts)


def test_a_page_of_tags_that_never_end_is_read_in_time_that_grows_with_its_length_alone():
    def seconds(length):
        began = time.process_time()
        inline_script_hashes("<a b" * length)
        return time.process_time() - began

    assert seconds(100_000) < 20 * seconds(10_000) + 0.5


def test_scripts_are_allowed_where_scripts_are_ruled():
    assert allow_scripts("script-src 'self'; img-src *", ["sha256-x"]) == "script-src 'self' 'sha256-x'; img-src *"


def test_default_src_is_not_widened():
    policy = allow_scripts("default-src 'self' cdn.test", ["sha256-x"])
    assert policy == "default-src 'self' cdn.test; script-src 'self' cdn.test 'sha256-x'"


@pytest.mark.parametrize(
    "policy",
    [
        "script-src 'self' 'unsafe-inline'",
        "default-src 'unsafe-inline'",
        "script-src 'self'; script-src-elem 'Unsafe-Inline'",
    ],
)
def test_a_hash_would_undo_unsafe_inline(policy):
    assert allow_scripts(policy, ["sha256-x"]) == policy


def test_the_directive_that_rules_is_widened():
    assert allow_scripts("script-src a; script-src-elem b", ["x"]) == "script-src a; script-src-elem b 'x'"
    assert allow_scripts("script-src 'none'", ["x"]) == "script-src 'x'"


def test_a_policy_too_long_for_nginx_stays():
    assert allow_scripts("script-src 'self'", ["sha256-" + "x" * 44] * 80) == "script-src 'self'"


def test_without_scripts_the_policy_stays():
    assert allow_scripts(CONTENT_SECURITY_POLICY, []) == CONTENT_SECURITY_POLICY


def test_built_in_policy_allows_no_unsafe_scripts():
    scripts = next(d for d in CONTENT_SECURITY_POLICY.split("; ") if d.startswith("script-src"))
    assert scripts == "script-src 'self'"


def test_header_names_are_known_in_any_case():
    headers = security_headers({"x-frame-options": "DENY"})
    assert headers["X-Frame-Options"] == "DENY"
    assert "x-frame-options" not in headers
