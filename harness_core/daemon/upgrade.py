"""Upgrade: look at another installation, say what is in the way, and only then let go of anything."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness_core import __version__, installation
from harness_core.config.model import ServiceConfig
from harness_core.daemon.handover import HANDOVERS
from harness_core.daemon.model import Daemon
from harness_core.installation import Installation, UpgradeRefused
from harness_core.keeper import KeeperError, Refused
from harness_core.plugins import Kind

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Found:
    """An installation that can be the daemon, and what it said of itself."""

    installation: Installation
    facts: Mapping[str, Any]


async def look(daemon: Daemon, to: Installation) -> Found:
    """The installation, once nothing is known that is in its way; raises UpgradeRefused."""
    if daemon.hand_over is None:
        raise UpgradeRefused("this daemon lives inside another program and can't become other code", hint="restart that program")
    _refuse_what_would_end(daemon)
    facts = await asyncio.to_thread(installation.examine, to, daemon.state_dir)
    if HANDOVERS[-1] not in facts["handovers"]:
        raise UpgradeRefused(
            f"harness {facts['version']} can't take over from a running harness {__version__}",
            hint="end this daemon first: harness daemon stop (services run on)",
        )
    lacking = list(_lacking(daemon, facts))
    if lacking:
        names = sorted({distribution for _, distribution in lacking if distribution})
        raise UpgradeRefused(
            f"{facts['prefix']} lacks what services need: " + "; ".join(sentence for sentence, _ in lacking),
            hint=f"{to.python} -m pip install {' '.join(names)}" if names else "install the plugins there that offer these",
        )
    return Found(to, facts)


async def replace_keeper(daemon: Daemon, found: Found) -> dict[str, Any]:
    """What came of the keeper: it is other code, or was already what it should be; raises UpgradeRefused where it can't be."""
    keeper = daemon.manager.keeper
    if keeper is None:
        return {"pid": None, "replaced": False, "note": None}
    try:
        result = await keeper.replace(code=found.facts["keeper"], python=found.installation.python)
    except Refused as refused:
        hello = keeper.hello
        if refused.kind == "unknown-op" and hello is not None:
            note = f"the running keeper ({hello.version}) is too old to be replaced; it stays until nothing runs any more"
            return {"pid": hello.pid, "replaced": False, "note": note}
        raise UpgradeRefused(str(refused), hint="nothing was changed") from refused
    except KeeperError as error:
        raise UpgradeRefused(f"the keeper can't be replaced: {error}", hint="see `harness daemon logs`") from error
    died = "the new keeper died while it took over; another has adopted what runs"
    return {"pid": result.hello.pid, "replaced": result.replaced, "note": died if result.crashed else None}


def from_to(found: Found) -> dict[str, Any]:
    """Both sides of the upgrade, as its reply tells them."""
    return {
        "from": {"version": __version__, "prefix": sys.prefix, **asdict(installation.ours())},
        "to": {name: found.facts[name] for name in ("version", "prefix", "protocol", "plugins")},
        "pid": os.getpid(),
    }


def _refuse_what_would_end(daemon: Daemon) -> None:
    names = [f"{project}/{service}" for project, service in daemon.manager.bound_to_us()]
    if names:
        raise UpgradeRefused(
            f"these would end with the daemon, for their executor can't find them again: {_some(names)}",
            hint="stop them first: harness stop",
        )


def _lacking(daemon: Daemon, facts: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """For each thing that services need, that is here and would not be there: a sentence, and who offers it."""
    catalog, needs = daemon.catalog, dict[tuple[Kind, str], list[str]]()
    for project in daemon.manager.projects():
        for name, service in daemon.manager.config(project["id"]).services.items():
            for need in _needs(service):
                needs.setdefault(need, []).append(f"{project['name']}/{name}")
    for (kind, word), services in sorted(needs.items()):
        offer = catalog.find(kind, word)
        if offer is not None and word not in facts["offers"][kind.value]:
            distribution = catalog.distribution_of(offer)
            broken = _broken(facts, word, distribution)
            cause = f", which is broken there: {broken['cause']}" if broken else ""
            from_where = f" of {distribution}" if distribution else ""
            yield f"{kind.words} '{word}'{from_where}{cause}, needed by {_some(services)}", None if broken else distribution


def _broken(facts: Mapping[str, Any], name: str, distribution: str | None) -> Mapping[str, Any] | None:
    rows: list[Mapping[str, Any]] = facts["broken"]
    return next((row for row in rows if row["distribution"] == distribution or name in row["names"]), None)


def _needs(service: ServiceConfig) -> Iterator[tuple[Kind, str]]:
    yield Kind.EXECUTOR, service.type
    for layer in service.layers:
        yield Kind.LAYER, layer.type
    if service.health_check is not None:
        yield Kind.HEALTH_CHECK, service.health_check.check


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more
