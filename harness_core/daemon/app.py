"""App: a daemon from its lock to its end. The order matters: nothing is started before everything was adopted, and
`daemon.json` is written last, so whoever finds a daemon finds one that answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness_core import __version__, paths, trust
from harness_core.contracts.clock import SystemClock
from harness_core.contracts.errors import Corrupt, HarnessError, NotSupported
from harness_core.contracts.registry import RegistryBackend
from harness_core.daemon.address import announce, names_for
from harness_core.daemon.audit import Audit
from harness_core.daemon.certificates import owner
from harness_core.daemon.connection import SERVICE_RESTART
from harness_core.daemon.handover import Handover, Inherited
from harness_core.daemon.lock import only_daemon
from harness_core.daemon.log import OwnLog
from harness_core.daemon.model import Daemon
from harness_core.daemon.server import Server
from harness_core.daemon.settings import Settings
from harness_core.engine.context import PluginContext
from harness_core.engine.manager import ServiceManager
from harness_core.installation import Installation
from harness_core.plugins import Catalog, Kind, discover

CLOSE_TIMEOUT = 1.2
"""Seconds for the engine to let go; the services run on in any case, and the whole end takes less than two."""
RENEWAL_CHECK = 6 * 3600.0


class RegistryFailed(HarnessError):
    """The registry backend broke; the message names it and the cause."""

    kind = "registry.failed"


@dataclass(frozen=True, slots=True)
class Options:
    """How this daemon was started. `idle_timeout` None: it stays until it is told to end."""

    state_dir: Path
    settings: Settings
    idle_timeout: float | None = None
    terminal: bool = False
    inherited: Inherited | None = None
    """what the code left that this process ran before"""


async def serve(options: Options, *, ready: Callable[[], None], catalog: Catalog | None = None) -> Handover | None:
    """Be the daemon until told to end, or to become another installation's: that is returned then, and still to be done.

    `ready` is called once it answers. Raises HarnessError when it can't be.
    """
    paths.ensure_state_dir(options.state_dir)
    inherited, listen = options.inherited, options.settings.listen
    handover: Handover | None = None
    with only_daemon(options.state_dir, held=inherited.lock if inherited else None) as lock, _logs(options) as (log, audit):
        names = names_for(options.settings.listen[0])
        trust.ensure(options.state_dir, owner=owner(), names=names)
        catalog = discover() if catalog is None else catalog
        async with _engine(options, catalog, log) as manager:
            stop = asyncio.Event()

            def leave() -> None:
                nonlocal handover
                handover = None
                paths.remove_daemon_file(options.state_dir, os.getpid())
                server.stop_accepting()
                stop.set()

            def hand_over(to: Installation) -> None:
                nonlocal handover
                handover = Handover(to, Inherited(os.dup(lock), server.keep_listening(), listen))
                server.stop_accepting()
                stop.set()

            server = Server(lambda: daemon, trust.server_context(options.state_dir))
            daemon = Daemon(
                manager=manager, catalog=catalog, state_dir=options.state_dir, log=log, audit=audit,
                started_at=datetime.now(UTC).isoformat(), address=lambda: server.address,
                connections=lambda: len(server.connections), leave=leave, hand_over=hand_over,
            )  # fmt: skip
            server.listen(*listen, names=names, bound=_listening_there(inherited, listen))
            _handle_signals(leave, log)
            async with asyncio.TaskGroup() as tasks:
                server.accept(tasks)
                companions = [tasks.create_task(_renew(daemon, server, names))]
                if options.idle_timeout is not None:
                    companions.append(tasks.create_task(_end_when_idle(daemon, options.idle_timeout)))
                try:
                    _announce(daemon, server)
                    log.logger.info("harness %s answers at %s (pid %d)", __version__, server.address, os.getpid())
                    ready()
                    await stop.wait()
                finally:
                    if handover is None:
                        leave()
                    for task in companions:
                        task.cancel()
                    if handover is None:
                        await server.aclose("the daemon ends")
                    else:
                        await server.aclose("the daemon is being upgraded", code=SERVICE_RESTART)
        log.logger.info("ended; services run on" if handover is None else f"becoming {handover.installation.python}")
    return handover


def _listening_there(inherited: Inherited | None, listen: tuple[str, int]) -> int | None:
    """The inherited socket, if it is what `listen` asks for; else it is closed."""
    if inherited is None:
        return None
    if inherited.listen == listen:
        return inherited.listener
    os.close(inherited.listener)  # the settings have changed
    return None


@contextlib.contextmanager
def _logs(options: Options) -> Any:
    log, audit = OwnLog(options.state_dir, terminal=options.terminal), Audit(options.state_dir)
    try:
        yield log, audit
    finally:
        audit.close()
        log.close()


@contextlib.asynccontextmanager
async def _engine(options: Options, catalog: Catalog, log: OwnLog) -> AsyncIterator[ServiceManager]:
    """The engine with everything adopted; let go of at the end, whatever hangs."""
    async with contextlib.AsyncExitStack() as closing:
        registry, degraded = await open_registry(options, catalog, log, closing)
        manager = ServiceManager(
            catalog=catalog, registry=registry, state_dir=options.state_dir, clock=SystemClock(), log=log.logger,
            trouble=degraded,
        )  # fmt: skip
        closing.push_async_callback(_within, CLOSE_TIMEOUT, manager.aclose, "the engine", log)
        await manager.open()
        log.hide(manager.secrets)
        yield manager


async def open_registry(
    options: Options, catalog: Catalog, log: OwnLog, closing: contextlib.AsyncExitStack
) -> tuple[RegistryBackend, str | None]:
    """The registry backend that the settings name, open; and why it starts empty, if it does.

    A store that can't be read is moved aside: what runs is adopted, and nothing is stopped because state is bad.
    """
    kind = options.settings.registry_type
    offer = catalog.require(Kind.REGISTRY_BACKEND, kind)
    context = PluginContext(
        catalog.distribution_of(offer) or kind, log=log.logger, clock=SystemClock(), state_dir=options.state_dir,
        report=lambda run, change: None, keeper=_no_keeper, broken=lambda name, cause: log.logger.error("%s: %s", name, cause),
    )  # fmt: skip
    closing.push_async_callback(_within, 0.3, context.aclose, "the registry's plugin", log)
    try:
        backend: RegistryBackend = offer.create(context)
        closing.push_async_callback(_within, 0.3, backend.aclose, "the registry", log)
        try:
            await backend.open(options.settings.registry)
        except Corrupt as e:
            moved = await backend.quarantine()
            degraded = f"{e.message}; it was moved to {moved}, and what runs was adopted" if moved else e.message
            log.logger.error("%s", degraded)
            await backend.open(options.settings.registry)
            return backend, degraded
    except HarnessError:
        raise
    except Exception as e:
        log.logger.exception("registry backend %s failed", kind)
        raise RegistryFailed(
            f"registry backend '{kind}' failed: {e!r}", hint="`harness plugins check` examines it; daemon.yaml names another"
        ) from e
    return backend, None


async def _no_keeper() -> Any:
    raise NotSupported("a registry backend has no use for the keeper")


async def _within(seconds: float, close: Callable[[], Awaitable[None]], what: str, log: OwnLog) -> None:
    try:
        async with asyncio.timeout(seconds):
            await close()
    except TimeoutError:
        log.logger.warning("%s did not let go within %g s; it is left behind", what, seconds)
    except Exception:
        log.logger.exception("%s failed while letting go", what)


def _handle_signals(leave: Callable[[], None], log: OwnLog) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_signal_handler(signal.SIGINT, leave)
    # Not ignored: that would be inherited by everything the daemon starts.
    loop.add_signal_handler(signal.SIGHUP, log.reopen)


async def _renew(daemon: Daemon, server: Server, names: frozenset[str]) -> None:
    """Renew certificates that come to their end while the daemon runs."""
    while True:
        await asyncio.sleep(RENEWAL_CHECK)
        try:
            if await asyncio.to_thread(trust.ensure, daemon.state_dir, owner=owner(), names=names):
                trust.reload_server(server.context, daemon.state_dir)
                _announce(daemon, server)
                daemon.log.logger.info("renewed the server certificate")
        except HarnessError as e:
            daemon.log.logger.error("cannot renew certificates: %s", e.message)


def _announce(daemon: Daemon, server: Server) -> None:
    plugins = sorted({plugin.distribution for plugin in daemon.catalog.plugins})
    announce(daemon.state_dir, address=server.address, started_at=daemon.started_at, plugins=plugins)


async def _end_when_idle(daemon: Daemon, timeout: float) -> None:
    """End a daemon that was started on demand when nobody has needed it for a while."""
    last_used = time.monotonic()
    while True:
        await asyncio.sleep(timeout / 4)
        if daemon.connections() or not daemon.manager.idle:
            last_used = time.monotonic()
        elif time.monotonic() - last_used >= timeout:
            daemon.log.logger.info("nothing to do for %g s", timeout)
            daemon.leave()
            return
