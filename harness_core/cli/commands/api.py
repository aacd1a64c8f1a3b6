"""`harness api`."""

from __future__ import annotations

import json

import click

from harness_core.cli.failures import UsageFault
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session


@pass_session
def api(session: Session, schema: bool) -> None:
    """Describe the daemon's API."""
    from harness_core.cli.openrpc import document

    if not schema:
        raise UsageFault("api describes the API with --schema", hint="harness api --schema")
    if session.settings.json:
        session.output.json(document())
    else:
        session.output.write(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")


command = HarnessCommand(
    "api",
    callback=api,
    params=[click.Option(["--schema"], is_flag=True, help="Print it as an OpenRPC document.")],
    help="Describe the daemon's API, for programs that talk to it; needs no daemon.\n\n"
    "Every method with its params, its result, the role that it takes, and every kind of error.",
    examples=("harness api --schema > harness.openrpc.json", "harness api --schema --json | jq -r '.methods[].name'"),
)
