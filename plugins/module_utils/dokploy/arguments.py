# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Dokploy modules have in common: their connection options, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule as AnsibleModule
from ansible.module_utils.basic import env_fallback

from ..errors import UserError
from ..secretvalues.redaction import mask_assignments
from ..secretvalues.terminal import fit_for_terminal
from .client import Client as Client
from .client import Server
from .rows import Kind, Row, Wanted, ensure_row

CONNECTION: dict[str, Any] = {
    "url": {"type": "str", "required": True, "fallback": (env_fallback, ["DOKPLOY_URL"])},
    "api_key": {
        "type": "str",
        "required": True,
        "no_log": True,
        "fallback": (env_fallback, ["DOKPLOY_API_KEY"]),
    },
    "timeout": {"type": "float", "default": 30},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}

PLACE: dict[str, Any] = {"project": {"type": "str"}, "environment": {"type": "str", "default": "production"}}

STATE: dict[str, Any] = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}

REMOVAL: dict[str, Any] = {
    **STATE,
    "delete_volumes": {"type": "bool", "default": False},
}

SERVICE: dict[str, Any] = {"compose_id": {"type": "str", "required": True}}

SHORTEST_SECRET = 4

Action = Callable[[AnsibleModule, Client], dict[str, Any]]


def connect(params: dict[str, Any]) -> Client:
    """A client for the connection options of a module."""
    verify = (params["ca_path"] or True) if params["validate_certs"] else False
    return Client(
        Server(
            url=params["url"],
            api_key=params.get("api_key") or "",
            timeout=params["timeout"],
            verify=verify,
        )
    )


def texts(option: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Variables as text; null ones are left out, as if they were not there.

    Raises:
        UserError: One is neither text, number nor boolean.
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            found[name] = str(value).lower()
        elif isinstance(value, (str, int, float)):
            found[name] = str(value)
        elif value is not None:
            raise UserError(f"{option}.{name} must be text, not {type(value).__name__}; write JSON as a string")
    return found


def secret_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Secrets as text.

    Raises:
        UserError: One is so short that Ansible, which hides it wherever it stands, would hide parts of ids.
    """
    found = texts("secrets", values)
    for name, value in found.items():
        if 0 < len(value) < SHORTEST_SECRET:
            raise UserError(
                f"secrets.{name} has fewer than {SHORTEST_SECRET} characters, which are no secret; "
                "make it longer, or move it to env"
            )
    return found


def run_module(arguments: dict[str, Any], action: Action, *, needs_key: bool = True, **options: Any) -> None:
    """Run a module from its arguments to its exit.

    Args:
        arguments: Argument spec beside the connection.
        action: Does the work; returns what the module returns.
        needs_key: Whether the connection takes an API key.
        options: For AnsibleModule.
    """
    connection = CONNECTION if needs_key else {k: v for k, v in CONNECTION.items() if k != "api_key"}
    module = AnsibleModule(argument_spec={**connection, **arguments}, supports_check_mode=True, **options)
    client: Client | None = None
    try:
        client = connect(module.params)
        result = action(module, client)
    except UserError as error:
        text = client.redact(str(error)) if client else str(error)
        module.fail_json(msg=fit_for_terminal(text), requests=_requests(client), **getattr(error, "result", {}))
    else:
        if "diff" in result:
            result["diff"] = _hidden(result["diff"], client)
        module.exit_json(requests=_requests(client), **result)


def settle_row(
    module: AnsibleModule, client: Client, kind: Kind, rows: Callable[[], list[Row]], wanted: Wanted
) -> dict[str, Any]:
    """What a module of one row returns: the row is there or not, as `state` says.

    Raises:
        UserError: As `ensure_row`.
    """
    present = module.params["state"] == "present"
    return ensure_row(client, kind, rows, wanted, present=present, check=module.check_mode).result()


def _hidden(value: Any, client: Client) -> Any:
    """A diff without secrets: what the server held before may have been set by hand, in clear."""
    if isinstance(value, dict):
        return {key: _hidden(item, client) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, client) for item in value]
    return client.redact(mask_assignments(value)) if isinstance(value, str) else value


def _requests(client: Client | None) -> dict[str, int]:
    return {"reads": client.reads, "writes": client.writes} if client else {"reads": 0, "writes": 0}
