# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Results out of what tasks have registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils.errors import UserError
from ...module_utils.results import GateResult, gate_result
from .drawings import with_layers
from .model import read_results


def collect(sources: Iterable[Mapping[str, Any]]) -> list[GateResult]:
    """The results of every source, in their order.

    A source has `id`, `title` and `registered`, what its task has registered. A task that was skipped is a skipped
    check with the source's `skipped` as reason; one that came to no result is a failed check.

    Raises:
        UserError: A source or one of its results has another form.
    """
    results: list[GateResult] = []
    for position, source in enumerate(sources):
        missing = [key for key in ("id", "title", "registered") if key not in source]
        if missing or not isinstance(source["registered"], Mapping):
            raise UserError(f"sources[{position}]: {', '.join(missing) or 'registered'} is missing or has another form")
        results += _of_source(source, source["registered"])
    return read_results(results)


def _of_source(source: Mapping[str, Any], registered: Mapping[str, Any]) -> list[GateResult]:
    id, title = str(source["id"]), str(source["title"])
    # An empty list tells of nothing that was measured, which is no pass.
    if registered.get("results") and isinstance(registered["results"], list):
        return with_layers(read_results(registered["results"], id), registered.get("images") or [])
    if registered.get("gate"):
        # The source knows what was searched or measured; the gate's own title is general.
        return read_results([{**registered["gate"], "title": title}], id)
    if registered.get("skipped"):
        return [gate_result(id, title, "skip", evidence=[str(source.get("skipped") or "it was not asked for")])]
    advice = ["run again with -vvv to see why the check could not be made"]
    told = str(registered.get("msg") or "the check gave no result")
    return [gate_result(id, title, "fail", measured="not measured", evidence=[told], advice=advice)]
