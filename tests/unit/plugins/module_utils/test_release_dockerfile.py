"""The rules on Dockerfiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release import dockerfile

GOOD = """\
# syntax=docker/dockerfile:1
ARG BASE=debian
FROM ${BASE} AS build
RUN make \\
  # a comment in between
  && make install
FROM ${BASE} AS runtime
ENV TOKEN_FILE=/run/secrets/token
USER 1000:1000
FROM runtime AS server
CMD ["server"]
FROM build AS tools
"""


def test_a_sound_one_has_no_findings() -> None:
    assert dockerfile.own_rules(GOOD, "server", True) == []


def test_the_user_is_that_of_the_target() -> None:
    assert ["runs as root" in f for f in dockerfile.own_rules(GOOD, "tools", True)] == [True]
    assert ["runs as root" in f for f in dockerfile.own_rules(GOOD, "", True)] == [True]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("FROM a\nUSER 1\n", "one stage only"),
        (GOOD.replace("USER 1000:1000", "USER root"), "runs as root"),
        (GOOD.replace("USER 1000:1000", "USER 0:0"), "runs as root"),
        (GOOD + "ARG API_TOKEN\n", "line 13: ARG API_TOKEN puts a secret"),
        (GOOD + "ENV A=1 \\\n  DB_PASSWORD=x\n", "line 13: ENV DB_PASSWORD puts a secret"),
        (GOOD + "ENV MY_SECRET value\n", "line 13: ENV MY_SECRET puts a secret"),
    ],
)
def test_each_finding(text: str, finding: str) -> None:
    found = dockerfile.own_rules(text, "server", True)
    assert any(finding in f for f in found), found


def test_a_here_document_is_no_instruction() -> None:
    text = "FROM a AS b\nRUN <<EOF\nENV SECRET_KEY=1\nEOF\nFROM b\nUSER 1\n"
    assert dockerfile.own_rules(text, "", True) == []


def test_without_hadolint_the_gate_says_so(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(GOOD)
    (tmp_path / ".dockerignore").write_text("")
    result = dockerfile.check(tmp_path / "Dockerfile", "server", "server", "/nowhere/hadolint")
    assert result["status"] == "pass"
    assert "hadolint is not installed here" in result["evidence"][0]


def test_hadolint_s_findings_count(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(GOOD)
    (tmp_path / ".dockerignore").write_text("")
    linter = tmp_path / "hadolint"
    linter.write_text(
        "#!/bin/sh\n"
        """echo '[{"line": 3, "code": "DL3008", "message": "Pin versions", "level": "warning"},"""
        """ {"line": 4, "code": "DL9", "message": "nit", "level": "info"}]'\n"""
    )
    linter.chmod(0o755)
    result = dockerfile.check(tmp_path / "Dockerfile", "server", "server", str(linter))
    assert (result["status"], result["evidence"]) == ("fail", ["Dockerfile: line 3: DL3008 Pin versions"])
