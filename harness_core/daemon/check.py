"""`python -m harness_core.daemon --check`: what this installation would bring as a daemon, or why it can't be one.

Asked by a running daemon before it becomes this code. Starts nothing, changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness_core import API_VERSION, __version__, keeper, paths
from harness_core.contracts.clock import SystemClock
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.offer import Offer
from harness_core.daemon import app, settings
from harness_core.daemon.handover import HANDOVERS
from harness_core.daemon.settings import Settings
from harness_core.engine.context import PluginContext
from harness_core.plugins import Catalog, Kind, discover
from harness_core.protocol import PROTOCOL_VERSION


def answer(state_dir: Path) -> dict[str, Any]:
    """What to print: the facts, or `error`."""
    try:
        chosen = settings.read(paths.daemon_config())
        catalog = discover()
        asyncio.run(_examine_registry(state_dir, chosen, catalog))
    except HarnessError as e:
        problems = [str(problem) for problem in getattr(e, "problems", ())]
        return {"error": {"kind": e.kind, "message": "; ".join([e.message, *problems]), "hint": e.hint}}
    return {
        "version": __version__,
        "api": list(API_VERSION),
        "protocol": PROTOCOL_VERSION,
        "handovers": list(HANDOVERS),
        "prefix": sys.prefix,
        "plugins": [{"distribution": p.distribution, "version": p.version} for p in catalog.plugins],
        "broken": [row.to_json() for row in catalog.broken],
        "offers": {kind.value: _names(catalog.offers(kind)) for kind in Kind},
        "serves": callable(app.serve),  # all of the daemon's code is here, not only what answers this
        "keeper": str(Path(keeper.__file__).parent / "server"),
    }


def _names(offers: Mapping[str, Offer]) -> list[str]:
    return sorted({word for offer in offers.values() for word in (offer.name, *offer.aliases)})


async def _examine_registry(state_dir: Path, chosen: Settings, catalog: Catalog) -> None:
    offer = catalog.require(Kind.REGISTRY_BACKEND, chosen.registry_type)
    context = PluginContext(
        catalog.distribution_of(offer) or offer.name, log=logging.getLogger("harness.check"), clock=SystemClock(),
        state_dir=state_dir, report=lambda run, change: None, keeper=_no_keeper, broken=lambda name, cause: None,
    )  # fmt: skip
    try:
        backend = offer.create(context)
        try:
            await backend.examine(chosen.registry)
        finally:
            await backend.aclose()
    except HarnessError:
        raise
    except Exception as e:
        raise HarnessError(f"registry backend '{chosen.registry_type}' failed: {e!r}") from e
    finally:
        await context.aclose()


async def _no_keeper() -> Any:
    raise HarnessError("there is no keeper while an installation is only looked at")
