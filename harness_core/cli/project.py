"""Which project is meant: by -p, or by the configuration file that is found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness_core.cli.settings import Settings

if TYPE_CHECKING:
    from harness_core.config.bundle import Bundle


def gathered(settings: Settings, *, strict: bool = False) -> Bundle:
    """The configuration as text, with what it needs from here."""
    from harness_core.config.gather import gather

    return gather(_file(settings), cwd=Path.cwd(), environ=os.environ, project=settings.project, strict=strict)


def identify(settings: Settings) -> str:
    """The project's id; nothing is parsed for it beyond the name."""
    from harness_core.config.identity import identify as identify_project

    return identify_project(_file(settings), cwd=Path.cwd(), environ=os.environ, project=settings.project)


def service_names(settings: Settings) -> list[str]:
    """The services in the configuration, for shells to complete; none where it can't be read."""
    from harness_core.config.load import load
    from harness_core.config.nodes import Pairs
    from harness_core.contracts.errors import HarnessError

    try:
        main = gathered(settings).files[0]
    except HarnessError:
        return []
    root, _ = load(main.text, file=main.path)
    services = root.get("services") if root else None
    return sorted(services.pairs) if isinstance(services, Pairs) else []


def _file(settings: Settings) -> Path | None:
    return Path(settings.file) if settings.file else None
