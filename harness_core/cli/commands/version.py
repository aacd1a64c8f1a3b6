"""`harness version`."""

from __future__ import annotations

import platform
import sys

from harness_core import API_VERSION, __version__
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session


@pass_session
def version(session: Session) -> None:
    """Show the version."""
    api = ".".join(str(part) for part in API_VERSION)
    output = session.output
    if session.settings.json:
        output.json({"version": __version__, "api": api, "python": platform.python_version(), "prefix": sys.prefix})
    elif session.settings.quiet:
        output.write(f"{__version__}\n")
    else:
        output.write(f"harness {__version__} (plugin API {api}, Python {platform.python_version()})\n")
    output.detail(f"runs from {sys.prefix}")


command = HarnessCommand(
    "version",
    callback=version,
    help="Show the version.",
    examples=("harness version", "harness version --json"),
)
