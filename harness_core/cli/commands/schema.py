"""`harness schema`."""

from __future__ import annotations

import json

from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session


@pass_session
def schema(session: Session) -> None:
    """Print the JSON Schema of services.yaml."""
    from harness_core.config.schema import merged_schema
    from harness_core.plugins import discover

    catalog = discover()
    for broken in catalog.broken:
        session.output.warn(f"without {broken.distribution} {broken.version}, which is broken: {broken.cause}")
    session.output.detail("with the keys of " + ", ".join(plugin.distribution for plugin in catalog.plugins))
    merged = merged_schema(catalog)
    if session.settings.json:
        session.output.json(merged)
    else:
        session.output.write(json.dumps(merged, indent=2, ensure_ascii=False) + "\n")


command = HarnessCommand(
    "schema",
    callback=schema,
    help="Print the JSON Schema of services.yaml with the keys of all installed plugins, for editors.\n\n"
    "Name the file in the first line of services.yaml: `# yaml-language-server: $schema=services.schema.json`.",
    examples=("harness schema > services.schema.json", "harness schema --json"),
)
