"""One function a request, and the table that finds it. Dispatch is by this table alone."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness_core import API_VERSION, __version__, installation, protocol
from harness_core.config.bundle import Bundle
from harness_core.config.describe import resolved
from harness_core.config.model import ProjectConfig
from harness_core.daemon import by_hand, refusal, upgrade
from harness_core.daemon.model import Call, Daemon
from harness_core.daemon.stream import Stream
from harness_core.engine.bus import Subscription
from harness_core.engine.directory import KINDS as REGISTRY_KINDS
from harness_core.installation import Installation
from harness_core.protocol import Request

if TYPE_CHECKING:
    from harness_core.config.validate import Parsed

Result = dict[str, Any]
Handler = Callable[[Daemon, Call, Any], Awaitable[Result]]


async def handle_start_services(daemon: Daemon, call: Call, request: protocol.StartServices) -> Result:
    """Start services."""
    work = daemon.manager.start(
        request.project, request.services, profiles=request.profiles, wait=request.wait, timeout=request.timeout,
        by=call.caller.name,
    )  # fmt: skip
    return await _with_events(daemon, call, request.project, work)


async def handle_stop_services(daemon: Daemon, call: Call, request: protocol.StopServices) -> Result:
    """Stop services."""
    work = daemon.manager.stop(
        request.project, request.services, force=request.force, down=request.down, kill=request.kill,
        wait=request.wait, timeout=request.timeout, by=call.caller.name,
    )  # fmt: skip
    return await _with_events(daemon, call, request.project, work)


async def handle_restart_services(daemon: Daemon, call: Call, request: protocol.RestartServices) -> Result:
    """Stop and start services."""
    work = daemon.manager.restart(
        request.project, request.services, wait=request.wait, timeout=request.timeout, by=call.caller.name
    )
    return await _with_events(daemon, call, request.project, work)


async def handle_status_of_services(daemon: Daemon, call: Call, request: protocol.StatusOfServices) -> Result:
    """How services are."""
    return await daemon.manager.status(request.project, request.services, detailed=request.detailed)


async def handle_list_projects(daemon: Daemon, call: Call, request: protocol.ListProjects) -> Result:
    """Which projects there are."""
    return {"projects": daemon.manager.projects()}


async def handle_why_service(daemon: Daemon, call: Call, request: protocol.WhyService) -> Result:
    """Why a service is as it is."""
    return await daemon.manager.why(request.project, request.service)


async def handle_read_logs(daemon: Daemon, call: Call, request: protocol.ReadLogs) -> Result:
    """Stream logs; a slow reader makes the reading wait, so nothing piles up."""
    items = daemon.manager.logs.read(
        request.project, request.services, cursors=request.cursors, since=_time(request.since, "since"),
        until=_time(request.until, "until"), tail=request.tail, follow=request.follow, runs=request.runs,
    )  # fmt: skip
    cursors: dict[str, str] = dict(request.cursors or {})
    async for item in items:
        await call.stream.send((item,))
        cursors[item["service"]] = item["cursor"]
    return {"cursors": cursors}


async def handle_subscribe_events(daemon: Daemon, call: Call, request: protocol.SubscribeEvents) -> Result:
    """Stream events until cancelled."""
    states = await _states(daemon, request.project, request.services)
    subscription = daemon.manager.bus.subscribe(
        project=request.project, services=request.services, kinds=request.kinds, epoch=request.epoch or "",
        after=request.after, state=lambda: states,
    )  # fmt: skip
    try:
        async for items in subscription:
            await call.stream.send(items)
    finally:
        subscription.close()
    return {}


async def handle_list_events(daemon: Daemon, call: Call, request: protocol.ListEvents) -> Result:
    """Past events."""
    bus = daemon.manager.bus
    limit = max(0, min(request.limit, 10_000))
    events = bus.recent(project=request.project, services=request.services, kinds=request.kinds, limit=limit)
    return {"epoch": bus.epoch, "seq": bus.seq, "events": events}


async def handle_run_health_checks(daemon: Daemon, call: Call, request: protocol.RunHealthChecks) -> Result:
    """Probe now."""
    return await daemon.manager.health(request.project, request.services)


async def handle_validate_config(daemon: Daemon, call: Call, request: protocol.ValidateConfig) -> Result:
    """Check a bundle."""
    parsed = await _parse(daemon, request.bundle, lenient=False)
    problems = [problem.to_json() for problem in parsed.problems]
    return {"project": parsed.project.id, "name": parsed.project.name, "problems": problems}


async def handle_plan_config(daemon: Daemon, call: Call, request: protocol.PlanConfig) -> Result:
    """What applying a bundle would do."""
    parsed = await _parse(daemon, request.bundle, lenient=True)
    plan = daemon.manager.plan(parsed.project, services=request.services)
    return {**plan, "problems": [problem.to_json() for problem in parsed.problems]}


async def handle_apply_config(daemon: Daemon, call: Call, request: protocol.ApplyConfig) -> Result:
    """Apply a bundle."""
    parsed = await _parse(daemon, request.bundle, lenient=True)
    daemon.log.hide(_secrets(parsed.project))
    work = daemon.manager.apply(
        parsed.project, services=request.services, start=request.start, wait=request.wait, timeout=request.timeout,
        by=call.caller.name,
    )  # fmt: skip
    outcome = await _with_events(daemon, call, parsed.project.id, work)
    return {**outcome, "plan": {**outcome["plan"], "problems": [problem.to_json() for problem in parsed.problems]}}


async def handle_get_config(daemon: Daemon, call: Call, request: protocol.GetConfig) -> Result:
    """The applied configuration, masked."""
    return {"project": request.project, "config": resolved(daemon.manager.config(request.project))}


async def handle_get_environment(daemon: Daemon, call: Call, request: protocol.GetEnvironment) -> Result:
    """The environment of services, masked."""
    return await daemon.manager.environment(request.project, request.services, request.names)


async def handle_list_registry(daemon: Daemon, call: Call, request: protocol.ListRegistry) -> Result:
    """What runs where and how it is reached."""
    return {"services": daemon.manager.registry(request.project, request.services)}


async def handle_resolve_service(daemon: Daemon, call: Call, request: protocol.ResolveService) -> Result:
    """How a service is reached from where another stands."""
    return daemon.manager.resolve(request.project, request.service, viewer=request.viewer, endpoint=request.endpoint)


async def handle_watch_registry(daemon: Daemon, call: Call, request: protocol.WatchRegistry) -> Result:
    """Stream records as they change, until cancelled."""
    manager = daemon.manager
    told: dict[tuple[str, str], Result] = {}
    subscription = manager.bus.subscribe(project=request.project, services=request.services, kinds=REGISTRY_KINDS)
    try:
        await call.stream.send(_news(manager.registry(request.project, request.services), told))
        async for items in subscription:
            # Looked at anew rather than read from the events: what happened in between is told once, as it is now.
            records = manager.registry_after(items, request.project)
            wanted = [record for record in records if request.services is None or record["service"] in request.services]
            await call.stream.send(_news(wanted, told))
    finally:
        subscription.close()
    return {}


async def handle_list_plugins(daemon: Daemon, call: Call, request: protocol.ListPlugins) -> Result:
    """What is installed, and what is broken."""
    return daemon.catalog.to_json()


async def handle_daemon_status(daemon: Daemon, call: Call, request: protocol.DaemonStatus) -> Result:
    """How the daemon is."""
    return {
        "pid": os.getpid(),
        "version": __version__,
        "api": list(API_VERSION),
        "protocol": protocol.PROTOCOL_VERSION,
        "address": daemon.address(),
        "started_at": daemon.started_at,
        "epoch": daemon.manager.epoch,
        "prefix": sys.prefix,
        "state_dir": str(daemon.state_dir),
        "degraded": daemon.manager.degraded,
        "projects": len(daemon.manager.projects()),
        "clients": daemon.connections(),
        "keeper": await daemon.manager.keeper_stats(),
        "plugins": [{"distribution": p.distribution, "version": p.version} for p in daemon.catalog.plugins],
    }


async def handle_stop_daemon(daemon: Daemon, call: Call, request: protocol.StopDaemon) -> Result:
    """End the daemon, after all services where that was asked for."""
    if request.services:
        for project in daemon.manager.projects():
            work = daemon.manager.stop(
                project["id"], None, force=True, down=False, kill=False, wait=True, timeout=None, by=call.caller.name
            )
            await _with_events(daemon, call, project["id"], work)
    # Whoever has the reply must not find this daemon any more; the reply itself is written before the loop goes on to end.
    daemon.leave()
    return {"running": sum(project["running"] for project in daemon.manager.projects())}


async def handle_upgrade_daemon(daemon: Daemon, call: Call, request: protocol.UpgradeDaemon) -> Result:
    """Become another installation's daemon."""
    to = installation.ours()
    if request.python is not None:
        to = Installation(request.python, request.folder or to.folder, request.pythonpath)

    async def say(detail: str) -> None:
        await call.stream.send(({"type": "progress", "service": None, "detail": detail},))

    async with daemon.upgrading:
        await say(f"looking at harness in {to.folder}, run by {to.python}")
        found = await upgrade.look(daemon, to)
        await say(f"replacing the keeper by that of harness {found.facts['version']}")
        keeper = await upgrade.replace_keeper(daemon, found)
        result = {**upgrade.from_to(found), "keeper": keeper}
        # As in stop: whoever has the reply must not be answered by this code any more.
        assert daemon.hand_over is not None
        daemon.hand_over(to)
    return {**result, "running": sum(project["running"] for project in daemon.manager.projects())}


async def handle_daemon_logs(daemon: Daemon, call: Call, request: protocol.DaemonLogs) -> Result:
    """Stream the daemon's own log."""
    if not request.follow:
        lines = await asyncio.to_thread(daemon.log.tail, request.tail)
        await call.stream.send([{"type": "line", "text": line} for line in lines])
        return {}
    async for line in daemon.log.follow(request.tail):
        await call.stream.send(({"type": "line", "text": line},))
    return {}


HANDLERS: Mapping[type[Request], Handler] = {
    protocol.StartServices: handle_start_services,
    protocol.StopServices: handle_stop_services,
    protocol.RestartServices: handle_restart_services,
    protocol.StatusOfServices: handle_status_of_services,
    protocol.ListProjects: handle_list_projects,
    protocol.WhyService: handle_why_service,
    protocol.SignalService: by_hand.handle_signal_service,
    protocol.AttachService: by_hand.handle_attach_service,
    protocol.WriteStdin: by_hand.handle_write_stdin,
    protocol.ResizeService: by_hand.handle_resize_service,
    protocol.OpenExec: by_hand.handle_open_exec,
    protocol.WriteExec: by_hand.handle_write_exec,
    protocol.ResizeExec: by_hand.handle_resize_exec,
    protocol.SignalExec: by_hand.handle_signal_exec,
    protocol.CloseExec: by_hand.handle_close_exec,
    protocol.ReadLogs: handle_read_logs,
    protocol.SubscribeEvents: handle_subscribe_events,
    protocol.ListEvents: handle_list_events,
    protocol.RunHealthChecks: handle_run_health_checks,
    protocol.ValidateConfig: handle_validate_config,
    protocol.PlanConfig: handle_plan_config,
    protocol.ApplyConfig: handle_apply_config,
    protocol.GetConfig: handle_get_config,
    protocol.GetEnvironment: handle_get_environment,
    protocol.ListRegistry: handle_list_registry,
    protocol.ResolveService: handle_resolve_service,
    protocol.WatchRegistry: handle_watch_registry,
    protocol.ListPlugins: handle_list_plugins,
    protocol.DaemonStatus: handle_daemon_status,
    protocol.StopDaemon: handle_stop_daemon,
    protocol.UpgradeDaemon: handle_upgrade_daemon,
    protocol.DaemonLogs: handle_daemon_logs,
}
"""All but `request.cancel`, which is about the connection and answered by the session."""


async def _with_events(daemon: Daemon, call: Call, project: str, work: Awaitable[Result]) -> Result:
    """The result of `work`, after every event of the project that was published before it has been passed on."""
    subscription = daemon.manager.bus.subscribe(project=project)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_forward(subscription, call.stream))
        try:
            outcome: Result | Exception = await work
        except Exception as e:
            outcome = e  # raised below: a group would wrap it, and cut the forwarding short
        finally:
            subscription.close()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _forward(subscription: Subscription, stream: Stream) -> None:
    async for items in subscription:
        await stream.send(items)


def _news(records: Sequence[Result], told: dict[tuple[str, str], Result]) -> list[Result]:
    """The records that are not as they were told last."""
    fresh = [record for record in records if told.get((record["project"], record["service"])) != record]
    told.update({(record["project"], record["service"]): record for record in fresh})
    return [{"type": "registry", **record} for record in fresh]


async def _states(daemon: Daemon, project: str | None, services: Sequence[str] | None) -> list[Result]:
    """The present state of what a subscription is about, for its `reset`."""
    projects = [project] if project is not None else [known["id"] for known in daemon.manager.projects()]
    states: list[Result] = []
    for id in projects:
        status = await daemon.manager.status(id, services if project is not None else None, detailed=False)
        states += [{"project": id, **service} for service in status["services"]]
    return states


async def _parse(daemon: Daemon, bundle: Mapping[str, Any], *, lenient: bool) -> Parsed:
    from harness_core.config import validate  # a daemon that only adopts what runs never needs it

    # In a thread: a large file takes long enough to be felt by everybody else.
    return await asyncio.to_thread(validate.parse, Bundle.from_json(bundle), daemon.catalog, lenient=lenient)


def _secrets(project: ProjectConfig) -> set[str]:
    return {secret for service in project.services.values() for secret in service.secrets}


def _time(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise refusal.invalid(f"logs.read: {name} is no time: {text[:100]!r}", hint="as in 2030-01-31T12:00:00+00:00")
    return moment
