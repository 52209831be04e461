# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every rule finds its examples, and a bad rule of the user's is refused by name."""

from __future__ import annotations

import html
import json
import random
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import Options, run
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.confirm import Confirmer
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.known import KnownValues
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.rules import rules
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.rules.rules_data import RULES
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import engines
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.plan import NEAR, Plan
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.engine_ways import WAYS, going
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.secret_samples import docker, fill, rules_hit

SAMPLES = 3
ASSIGNMENTS = [
    "APP_SECRET=VALUE",
    "APP_SECRET='VALUE'",
    "appSecret: VALUE",
    '{"appSecret": "VALUE"}',
    json.dumps(json.dumps({"app": {"secret": "VALUE"}})),
    '  "appSecret" => "VALUE",',
    "app_secret := 'VALUE'",
    "set_secret('app', 'x'), app.secret = \"VALUE\"",
    "<secret>VALUE</secret>",
    "&quot;secret&quot;: &quot;VALUE&quot;",
    "GET /callback?client_secret=VALUE&x=1",
    "redirect=%2Fcallback%3Fclient_secret%3DVALUE",
    "\x1b[33mAPP_SECRET\x1b[39m=\x1b[32mVALUE\x1b[39m",
    "app-secret:\tVALUE",
]
# What a rule of its own finds, where Docker or a shell escapes what stands around it.
IN_CONTEXT = [
    ("azure-sas-signature", "https://demo.blob.core.windows.net/c?sv=2022-11-02&sig=<alnum:43>%3D"),
    ("private-key", "-----BEGIN RSA PRIVATE KEY-----\\nMIIE<b64:60>\\n<b64:44>\\n"),
    ("private-key", "-----BEGIN PRIVATE KEY-----\nMIIE<b64:60>\n<b64:44>\n-----END PRIVATE KEY-----"),
    ("private-key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A-1,9F\n\nMIIE<b64:60>\n"),
    ("private-key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\nlQOY<b64:60>\n"),
    ("url-password", "redis://:<alnum:16>@cache:6379/0"),
    ("bearer-token", "\x1b[33mAuthorization\x1b[0m: Bearer \x1b[32m<alnum:40>\x1b[0m"),
]
# What the example of one rule is, in the eyes of a rule that knows as much.
SAME = {
    "bitbucket-client-id": {"bittrex-key"},
    "slack-config-token": {"slack-user-token"},
}


def _wrap(sample: str) -> list[str]:
    return [
        f"starting with {sample}",
        json.dumps({"level": "info", "msg": f"using {sample} now"}),
        json.dumps(json.dumps({"value": f"\t{sample}"})),
        f"\x1b[32m[Nest] 42  - \x1b[39m{sample}\x1b[0m",
    ]


def _samples() -> dict[str, tuple[str, str]]:
    """Texts by name, each with its rule's id and the sample in it."""
    source = random.Random(20260102)
    samples = {}
    for rule in RULES:
        for which, example in enumerate(rule["examples"]):
            for number in range(SAMPLES):
                sample = fill(example, source)
                for form, line in enumerate(_wrap(sample) if "\n" not in sample else [sample]):
                    samples[f"{rule['id']}/{which}/{number}/{form}"] = (rule["id"], line)
    return samples


@pytest.fixture(scope="module", params=WAYS)
def found(request: pytest.FixtureRequest) -> dict[str, set[str]]:
    samples = _samples()
    texts = {name: line for name, (_rule, line) in samples.items()}
    with going(request.param) as engine:
        report = run(Options(texts=texts, engine=engine, cache=""))
    by_text: dict[str, set[str]] = {}
    for finding in report.findings:
        by_text.setdefault(finding.source.removeprefix("text "), set()).add(finding.rule)
    return by_text


def test_at_least_150_kinds_of_provider_tokens() -> None:
    generic = {
        "password-assignment",
        "secret-assignment",
        "token-assignment",
        "authorization-header",
        "cli-option",
        "command-password",
    }
    assert len({rule["id"] for rule in RULES} - generic) >= 150


def test_each_rule_is_described() -> None:
    for rule in RULES:
        assert rule["title"] and rule["docs"].startswith("https://") and rule["examples"], rule["id"]
        assert re.fullmatch(r"[a-z0-9-]+", rule["id"]), rule["id"]
    assert len({rule["id"] for rule in RULES}) == len(RULES)


def test_every_example_is_found(found: dict[str, set[str]]) -> None:
    missed = [name for name in _samples() if not found.get(name)]
    assert not missed, f"{len(missed)} missed, for instance {missed[:20]}"


def test_examples_are_found_by_their_own_rule(found: dict[str, set[str]]) -> None:
    """Formats that say nothing by themselves look alike; those with a face must be told apart."""
    with_face = {rule["id"] for rule in RULES if not rule.get("near")}
    wrong = {
        name: sorted(found.get(name, ()))
        for name, (rule, _line) in _samples().items()
        if rule in with_face and rule not in found.get(name, ())
    }
    assert not wrong, dict(list(wrong.items())[:20])


def test_all_ways_find_the_same() -> None:
    texts = {name: line for name, (_rule, line) in _samples().items()}
    results = []
    for way in WAYS:
        with going(way) as engine:
            report = run(Options(texts=texts, engine=engine, cache="", fingerprint_key="k" * 16))
        results.append({(f.source, f.rule, f.fingerprint, f.offset, f.line, f.count) for f in report.findings})
    assert results[0] == results[1]


def test_whatever_an_exact_rule_sees_the_search_for_places_sees() -> None:
    """In every form of an assignment and of what Docker, JSON, URLs, HTML and terminals make of it."""
    source = random.Random(8)
    dresses = (
        str,
        json.dumps,
        lambda text: json.dumps(json.dumps({"msg": text})),
        lambda text: json.dumps(text).replace("/", "\\/"),
        lambda text: quote(text, safe=""),
        lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
        html.escape,
        lambda text: docker(html.escape(text)).decode(),
        lambda text: docker(f"\x1b[31m{text}\x1b[0m").decode(),
        lambda text: re.sub('[<&=>"]', lambda found: f"\\u{ord(found[0]):04x}", text),
    )
    values = ("<alnum:8>", "<alnum:32>", "<letter:36>", "<hex:40>", "Q/<alnum:7>", "<letter:3>!<letter:3>", "a-Word9:x")
    names = ("password", "DB_PASS", "apiKey", "x-auth-key", "client_secret", "TOKEN_PROD", "aws_key", "linear.key")
    bare = [
        form.replace(form_name, "NAME") for form in ASSIGNMENTS for form_name in ("APP_SECRET", "appSecret", "secret")
    ]
    bare = [form for form in bare if "NAME" in form]
    lines = {
        dress(form.replace("NAME", name).replace("VALUE", fill(value, source)).strip())
        for form in bare
        for name in names
        for value in values
        for dress in source.sample(dresses, 2)
    }
    lines |= {
        dress(f"got {fill(example, source)} now")
        for rule in RULES
        for example in rule["examples"]
        for dress in dresses
        if "\n" not in example
    }
    plan = Plan(rules.load(), KnownValues({}))
    everything = [*range(len(plan.rules)), *range(NEAR, NEAR + len(plan.near))]
    everything = [number for number in everything if number >= NEAR or not plan.rules[number].near]
    confirmer = Confirmer(plan)
    seen = {line: {match.rule for match in confirmer.confirm(line, everything)} for line in sorted(lines)}
    for way in WAYS:
        with going(way) as engine:
            searcher = engines.make(plan, engine).searcher()
        missed = {}
        for line, expected in seen.items():
            data = bytearray(line.encode())
            numbers = {number for _end, number in searcher.search(data, len(data))}
            found = {match.rule for match in confirmer.confirm(line, numbers)}
            if expected - found:
                missed[line] = expected - found
        assert not missed, f"{len(missed)} of {len(seen)} by {way}: {dict(list(missed.items())[:20])}"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "has no id"),
        ({"id": "acme", "title": "Acme"}, "has no pattern"),
        ({"id": "acme", "title": "Acme", "pattern": " "}, "has no pattern"),
        ({"id": "acme", "title": "Acme", "pattern": "acme_[a-z"}, "not a valid regular expression"),
        ({"id": "acme", "title": "Acme", "pattern": "acme_(?:[a-z]+)+x"}, "exponential"),
        ({"id": "acme", "title": "Acme", "pattern": "acme_[a-z]*[a-z]*[a-z]*x"}, "exponential"),
        ({"id": "acme", "title": "Acme", "pattern": r"acme_(.)\1{20}"}, "linear"),
        ({"id": "acme", "title": "Acme", "pattern": "(?:acme)?"}, "less than 4 characters"),
        ({"id": "acme", "title": "Acme", "pattern": "[a-z0-9]{32}"}, "no fixed text"),
        ({"id": "acme", "title": "Acme", "patern": "acme_x"}, "unknown key 'patern' (did you mean 'pattern'?)"),
        ({"id": "Acme!", "title": "Acme", "pattern": "acme_[a-z]{9}"}, "small letters"),
        ({"id": "acme", "title": "Acme", "pattern": "acme_[a-z]{9}", "severity": "huge"}, "severity 'huge'"),
        ({"id": "acme", "title": "Acme", "pattern": "[a-z]{9}", "near": ["a"]}, "less than 3 characters"),
        ({"id": "github-pat", "title": "Mine", "pattern": "mine_[a-z]{9}"}, "is taken"),
        ({"id": "acme", "title": "Acme", "pattern": "acme_" + "[a-z]" * 400}, "1000 characters"),
        ({"id": "acme", "title": "Acme", "pattern": "[a-z]{9}acme", "anchor": "(?<=z)acme"}, "anchor with look-around"),
    ],
)
def test_a_bad_rule_is_refused(rule: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError) as refusal:
        rules.load([rule])
    assert reason in str(refusal.value)
    assert str(rule.get("id") or "number 1") in str(refusal.value)


def test_a_value_assigned_in_any_way_is_found_in_a_docker_log(tmp_path: Path, engine: str) -> None:
    """Docker escapes quotes, tabs, colours and < > &, and the fast search has to see through that."""
    missed = []
    for number, line in enumerate(ASSIGNMENTS):
        log = tmp_path / f"{number}-json.log"
        log.write_bytes(docker(line.replace("VALUE", fill("<alnum:24>", random.Random(7)))))
        if rules_hit(log, engine) != ["secret-assignment"]:
            missed.append(line)
    assert not missed


def test_what_stands_around_a_token_hides_it_from_no_engine(tmp_path: Path, engine: str) -> None:
    """The next records, which a key of several lines goes on in, are harmless and hold a placeholder."""
    missed = []
    for number, (rule, template) in enumerate(IN_CONTEXT):
        log = tmp_path / f"{number}-json.log"
        lines = fill(template, random.Random(7)).split("\n")
        log.write_bytes(b"".join(map(docker, [*lines, "GET https://crm.example.com/ 200", "all is well"])))
        if rules_hit(log, engine) != [rule]:
            missed.append((rule, template, rules_hit(log, engine)))
    assert not missed


def test_a_users_rule_works_like_a_built_in_one(engine: str) -> None:
    rule = {"id": "acme", "title": "Acme token", "pattern": "acme_[a-z0-9]{12}", "severity": "low"}
    near = {"id": "zeta", "title": "Zeta key", "pattern": "[0-9]{10}", "near": ["zeta"]}
    sample = fill("id acme_<lower:12>, ZETA_ID: <digit:10>", random.Random(1))
    report = run(Options(texts={"t": sample}, rules=[rule, near], engine=engine, cache=""))
    assert {(f.rule, f.severity) for f in report.findings} == {("acme", "low"), ("zeta", "high")}


def test_a_disabled_rule_finds_nothing_and_an_unknown_one_is_named() -> None:
    sample = fill("<check:ghp_>", random.Random(1))
    assert not run(Options(texts={"t": sample}, disable_rules=["github-pat"], cache="")).findings
    with pytest.raises(UserError, match="did you mean 'github-pat'"):
        rules.load(disabled=["github-pad"])


def test_a_wrong_checksum_lowers_the_severity() -> None:
    right = fill("<check:ghp_>", random.Random(1))
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    report = run(Options(texts={"right": right, "wrong": wrong}, cache=""))
    assert {(f.source, f.severity, f.verified) for f in report.findings} == {
        ("text right", "high", True),
        ("text wrong", "medium", False),
    }


def test_the_page_lists_every_rule_with_its_severity() -> None:
    page = Path(__file__).parents[4] / "docs/secrets.md"
    if not page.exists():
        pytest.skip("a copy without docs")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| \[([^\]]+)\]\((\S+)\) \| (\w+) \|", page.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((r["id"], r["title"], r["docs"], r.get("severity", "high")) for r in RULES)
