"""What each kind of advice promises is what an image saves that follows it: both are built, and measured."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ssh://debian13"]
SIZE = 2_000_000
FILL = f"head -c {SIZE} /dev/urandom >"
# Where each kind of leftover lies; followed by deleting it in the instruction that makes it, as a package manager would.
DELETED = {
    "apt": "/var/lib/apt/lists",
    "apk": "/var/cache/apk",
    "dnf": "/var/cache/dnf",
    "compiler": "/usr/lib/gcc",
    "dev-packages": "/app/node_modules/typescript",
    "tests": "/usr/lib/python3/dist-packages/shop/tests",
    "docs": "/usr/share/doc/shop",
    "temporary": "/var/tmp",
}
MOUNTED = {"npm": "/root/.npm/_cacache", "pip": "/root/.cache/pip", "build-cache": "/root/.cache/go-build"}


def pairs() -> dict[str, tuple[str, str]]:
    """By kind, the instructions before and after."""
    found = {}
    for kind, place in DELETED.items():
        made = f"RUN mkdir -p {place} && {FILL}{place}/more"
        found[kind] = made, f"{made} && rm -r {place}/more"
    found["source-maps"] = f"RUN {FILL}/app.js.map", f"RUN {FILL}/app.js.map && rm /app.js.map"
    for kind, place in MOUNTED.items():
        found[kind] = (
            f"RUN mkdir -p {place} && {FILL}{place}/more",
            f"RUN --mount=type=cache,target={place} {FILL}{place}/more",
        )
    found["git"] = "COPY .git /app/.git", ""
    found["deleted"] = "COPY big /big\nRUN rm /big", "RUN --mount=type=bind,source=big,target=/big wc -c /big"
    found["copied"] = "COPY big /big\nRUN chown 1000 /big", "COPY --chown=1000 big /big"
    found["overwritten"] = f"RUN {FILL}/one\nRUN {FILL}/one", f"RUN {FILL}/one && {FILL}/one"
    found["duplicates"] = "COPY big /one\nCOPY big /two", "COPY big /one\nRUN ln -s /one /two"
    return found


# One layer, in which nothing of what is advised on lies already.
BASE = """FROM local/sluice-base:trixie AS full
RUN rm -rf /usr/share/doc /usr/share/man /usr/share/info /var/lib/apt/lists/* /var/cache/apt/* /tmp/* /var/tmp/*
FROM scratch
COPY --from=full / /"""


@pytest.fixture(scope="module")
def measured(host):
    """Builds every pair."""
    images = {"base:1": BASE}
    for kind, both in pairs().items():
        for when, instructions in zip(("before", "after"), both):
            images[f"{kind}:{when}"] = f"FROM local/advice-base:1\n{instructions}"
    lines = ["set -e", "mkdir -p /srv/gate/advice/.git", "cd /srv/gate/advice", f"{FILL}big", f"{FILL}.git/pack"]
    for name, dockerfile in images.items():
        build = f"docker build --quiet --tag local/advice-{name} --file - . >/dev/null"
        lines.append(f"{build} <<'END'\n{dockerfile}\nEND")
    host.check_output("\n".join(lines))
    yield [f"local/advice-{kind}:{when}" for kind in pairs() for when in ("before", "after")]
    host.check_output("docker image ls --quiet 'local/advice-*' | sort -u | xargs docker image rm --force")


def promised(image: dict, kind: str) -> int:
    return sum(advice["saves"] for advice in image["advice"] if advice["kind"] == kind)


def test_advice_saves_what_it_promises(measured, gate):
    images = {image["image"]: image for image in gate(images=measured, fail_on=[])["images"]}
    wrong = {}
    for kind in pairs():
        before, after = (images[f"local/advice-{kind}:{when}"] for when in ("before", "after"))
        told, saved = promised(before, kind) - promised(after, kind), before["size"] - after["size"]
        print(f"{kind}: {told} bytes promised, {saved} saved")
        if not 0.95 * told <= saved <= 1.05 * told or told < 0.9 * SIZE:
            wrong[kind] = told, saved
    assert not wrong
