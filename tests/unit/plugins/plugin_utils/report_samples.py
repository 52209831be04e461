"""A report with something of everything."""

from __future__ import annotations

from ansible_collections.sluice.deploy.plugins.module_utils.results import gate_result
from ansible_collections.sluice.deploy.plugins.plugin_utils.report.model import VerificationReport

RESULTS = (
    gate_result("site.dns", "DNS points here", "pass", measured="203.0.113.7", limit="203.0.113.7"),
    gate_result(
        "site.redirect", "HTTP leads to HTTPS, path and query kept", "pass", measured="301", limit="301 or 308"
    ),
    gate_result(
        "site.health.api",
        "Health of /api/health",
        "pass",
        measured="status ok",
        limit="status ok",
        details={
            "timings": [
                {"label": "DNS", "ms": 4.2},
                {"label": "connect", "ms": 11.0},
                {"label": "TLS", "ms": 38.5},
                {"label": "first byte", "ms": 61.0},
            ],
            "limit_ms": 1000,
        },
    ),
    gate_result(
        "tls.expiry",
        "Certificate's life",
        "warn",
        measured="12 days left",
        limit="15 days",
        evidence=["not after 2026-12-05T09:00:00+00:00"],
        advice=["see why the renewal timer has not renewed it: journalctl -u sluice-edge-certificates"],
        details={
            "certificate": {
                "not_before": "2026-09-06T09:00:00+00:00",
                "not_after": "2026-12-05T09:00:00+00:00",
                "now": "2026-11-23T09:00:00+00:00",
            }
        },
    ),
    gate_result(
        "tls.protocols", "Protocols offered", "pass", measured=["TLS 1.2", "TLS 1.3"], limit="TLS 1.2 or later"
    ),
    gate_result(
        "container.worker",
        "Worker is alive",
        "fail",
        measured="exited (1)",
        limit="running, healthy",
        evidence=["crm-blue-worker exited with 1, 7 restarts"],
        advice=["docker logs --tail 50 crm-blue-worker"],
    ),
    gate_result("host.backup", "Newest backup", "skip", evidence=["verify_backup_max_age is not set"]),
    gate_result(
        "image_size.server",
        "Size of image server",
        "fail",
        measured="620.0 MB",
        limit="500.0 MB",
        evidence=["620000000 bytes unpacked, limit 500000000, in 5 layers"],
        advice=["saves 180.0 MB: npm's cache is left in layer 3; use RUN --mount=type=cache"],
        details={
            "layers": [
                {"size": 78_000_000, "wasted": 0, "instruction": "ADD rootfs /"},
                {"size": 120_000_000, "wasted": 0, "instruction": "RUN apt-get install nodejs"},
                {"size": 380_000_000, "wasted": 180_000_000, "instruction": "RUN npm ci"},
                {"size": 0, "wasted": 0, "instruction": "USER 1000"},
                {"size": 42_000_000, "wasted": 0, "instruction": "COPY dist /app/dist"},
            ],
            "limit": 500_000_000,
        },
    ),
    gate_result(
        "log_secrets", "No secret in the logs", "pass", measured="0 findings", limit="0", evidence=["4.2 MB read"]
    ),
)

REPORT = VerificationReport(
    title="crm.example.com",
    results=RESULTS,
    at="2026-11-23T09:00:00Z",
    url="https://crm.example.com/",
    host="crm-1",
    seconds=3.42,
)
