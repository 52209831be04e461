# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a finished image rarely needs (caches, compilers, tests), and how to leave each kind out."""

from __future__ import annotations

import re
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of leftover. Patterns match whole directories from the root, or a file's name."""

    id: str
    title: str
    change: str
    directories: tuple[str, ...]
    names: str = ""


KINDS = (
    Kind(
        "apt",
        "apt package lists and downloads",
        "end the RUN that calls apt-get with: && rm -rf /var/lib/apt/lists/* /var/cache/apt/*",
        ("var/lib/apt/lists", "var/cache/apt"),
    ),
    Kind("apk", "apk cache", "use apk add --no-cache", ("var/cache/apk", "etc/apk/cache")),
    Kind(
        "dnf",
        "dnf or yum cache",
        "end the RUN that installs with: && dnf clean all",
        ("var/cache/dnf", "var/cache/yum", "var/cache/libdnf5"),
    ),
    Kind(
        "npm",
        "npm, yarn or pnpm cache",
        "mount it while building: RUN --mount=type=cache,target=/root/.npm npm ci (or the cache directory"
        " of yarn or pnpm)",
        (
            r"(?:.+/)?\.npm/_cacache",
            r"(?:.+/)?\.cache/yarn",
            r"(?:.+/)?\.yarn/berry/cache",
            r"(?:.+/)?\.pnpm-store",
            r"(?:.+/)?\.local/share/pnpm/store",
            r"(?:.+/)?\.cache/(?:node-gyp|node|turbo|nx|puppeteer)",
        ),
    ),
    Kind(
        "pip",
        "pip, uv or poetry cache",
        "use pip install --no-cache-dir, or RUN --mount=type=cache,target=/root/.cache/pip",
        (r"(?:.+/)?\.cache/(?:pip|uv|pypoetry|pip-tools|pipenv)",),
    ),
    Kind(
        "build-cache",
        "caches of other package managers and compilers",
        "mount it while building (RUN --mount=type=cache) or build in an earlier stage",
        (
            r"(?:.+/)?\.cache/go-build",
            r"(?:.+/)?go/pkg/mod/cache",
            r"(?:.+/)?\.?cargo/(?:registry|git)",
            r"(?:.+/)?\.m2/repository",
            r"(?:.+/)?\.gradle/caches",
            r"(?:.+/)?\.?composer/cache",
            r"(?:.+/)?\.cache/composer",
            r"usr/local/bundle/cache",
        ),
    ),
    Kind("git", "Git history", "add .git to .dockerignore", (r"(?:.+/)?\.git",)),
    Kind(
        "compiler",
        "compilers, headers and build tools",
        "compile in an earlier stage and COPY --from= the result, or remove the build packages in the RUN"
        " that installs them",
        (
            r"usr/lib/gcc(?:-cross)?",
            r"usr/libexec/gcc",
            r"usr/lib/llvm[^/]*",
            r"usr/include",
            r"usr/local/include",
            r"usr/local/go",
            r"usr/local/rustup",
            r"(?:.+/)?\.rustup",
            r"usr/share/(?:cmake|automake|autoconf)[^/]*",
        ),
    ),
    Kind(
        "dev-packages",
        "packages that only development needs",
        "install without them: npm ci --omit=dev, or yarn workspaces focus --production; those that are there all"
        " the same are what another package depends on",
        (
            r"(?:.+/)?node_modules/(?:typescript|jest|webpack|eslint|prettier|vitest|vite|storybook|nx|esbuild"
            r"|@types|@babel|@storybook|@nx|@swc|@jest|@typescript-eslint|@playwright|cypress)",
        ),
    ),
    Kind(
        "tests",
        "tests that came with packages",
        "delete them in the RUN that installs the packages, or leave them behind when copying to the last stage",
        (
            r"(?:.+/)?node_modules/(?:.+/)?(?:__tests__|tests?)",
            r"(?:.+/)?(?:site|dist)-packages/(?:.+/)?tests?",
            r"usr(?:/local)?/lib/python3[^/]*/test",
        ),
    ),
    Kind(
        "docs",
        "manuals and documentation",
        "exclude them before installing: path-exclude lines in /etc/dpkg/dpkg.cfg.d, or delete them in the same RUN",
        ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/local/share/man"),
    ),
    Kind("temporary", "temporary files", "delete them in the RUN that makes them", ("tmp", "var/tmp")),
    Kind(
        "source-maps",
        "source maps",
        "build without them, or delete *.map before the last stage copies the result",
        (),
        r".+\.(?:js|css|mjs|cjs|ts)\.map",
    ),
)
BY_ID = {kind.id: kind for kind in KINDS}


def _compiled(kind: Kind) -> str:
    # Group names cannot hold a hyphen; keys have NUL where paths have a slash.
    joined = "|".join(kind.directories).replace("/", r"\0")
    return f"(?P<{kind.id.replace('-', '_')}>{joined})"


_DIRECTORIES = re.compile("|".join(_compiled(kind) for kind in KINDS if kind.directories).encode(), re.DOTALL)
_NAMES = tuple((kind.id, re.compile(kind.names.encode())) for kind in KINDS if kind.names)


def of_directory(key: bytes) -> str:
    """The kind of leftover that a directory is as a whole; empty for none."""
    match = _DIRECTORIES.fullmatch(key)
    return (match.lastgroup or "").replace("_", "-") if match else ""


def of_name(name: bytes) -> str:
    """The kind of leftover that a file is by its name; empty for none."""
    return next((id for id, pattern in _NAMES if pattern.fullmatch(name)), "")
