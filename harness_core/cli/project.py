"""Which project is meant: by -p, or by the configuration file that is found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness_core.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness_core.config.bundle import Bundle
    from harness_core.config.nodes import Node, Pairs


def gathered(settings: Settings, *, profiles: Sequence[str] = (), strict: bool = False) -> Bundle:
    """The configuration as text, with what it needs from here."""
    from harness_core.config.gather import gather

    first, more = _files(settings)
    return gather(
        first,
        more=more,
        cwd=Path.cwd(),
        environ=os.environ,
        project=settings.project,
        profiles=profiles,
        strict=strict,
    )


def identify(settings: Settings) -> str:
    """The project's id; nothing is parsed for it beyond the name."""
    from harness_core.config.identity import identify as identify_project

    first, more = _files(settings)
    return identify_project(first, more=more, cwd=Path.cwd(), environ=os.environ, project=settings.project)


def service_names(settings: Settings) -> list[str]:
    """The services in the configuration, for shells to complete; none where it can't be read."""
    return sorted(_services(settings))


def profile_names(settings: Settings) -> list[str]:
    """The profiles in the configuration, for shells to complete; none where it can't be read."""
    from harness_core.config.nodes import Items, Pairs, Scalar

    lists = (node.get("profiles") for node in _services(settings).values() if isinstance(node, Pairs))
    return sorted({item.text for node in lists if isinstance(node, Items) for item in node.items if isinstance(item, Scalar)})


def _services(settings: Settings) -> dict[str, Node]:
    from harness_core.config.nodes import Pairs
    from harness_core.contracts.errors import HarnessError

    try:
        root = _document(settings)
    except HarnessError:
        return {}
    services = root.get("services") if root else None
    return {name: node for name, (_, node) in services.pairs.items()} if isinstance(services, Pairs) else {}


def _document(settings: Settings) -> Pairs | None:
    """The configuration as far as it can be read; somebody is typing, so no more is done for it than it takes."""
    from harness_core.config.identity import locate
    from harness_core.config.load import load

    first, more = _files(settings)
    file = locate(first, Path.cwd())
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    if not more and "include" not in text:
        return load(text, file=str(file))[0]
    from harness_core.config.document import assemble

    bundle = gathered(settings)
    return assemble(bundle.files, bundle.find, variables=bundle.variables, home=bundle.home).root


def _files(settings: Settings) -> tuple[Path | None, list[Path]]:
    """The first file that was named, None for the one that is found, and those over it."""
    named = [Path(file) for file in settings.files]
    return (named[0], named[1:]) if named else (None, [])
