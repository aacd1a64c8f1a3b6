"""The attacher of `process-attach`: finds what already runs here, and never touches it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness_core.contracts.errors import NotFound
from harness_core.contracts.execution import AttachedHandle, Attacher
from harness_core.contracts.offer import Context
from harness_core.contracts.place import LOCAL, Place
from harness_core.contracts.run import LaunchSpec
from harness_plugin_process.matching import running
from harness_plugin_process.pidfd import open_pidfd, still_lives
from harness_plugin_process.proc import Identity, Process, find
from harness_plugin_process.watched import WatchedProcess

if TYPE_CHECKING:
    from harness_core.keeper import Client

SEARCH_TIMEOUT = 10.0
MEMORY = "attached.json"


class ProcessAttacher(Attacher):
    """Watches processes of this machine that somebody else started."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._remembering = asyncio.Lock()

    def place(self, config: Any) -> Place:
        """This machine."""
        return LOCAL

    async def attach(self, spec: LaunchSpec) -> AttachedHandle:
        """A handle on the one process that the config means."""
        process = await self._context.blocking(running, spec.config, timeout=SEARCH_TIMEOUT)
        if "pid" in spec.config:
            await self._recognise(spec, process)
        pidfd = hold(process)
        return WatchedProcess(spec, process, pidfd, context=self._context, keeper=self._keeper)

    async def aclose(self) -> None:
        """Nothing is held here: each handle owns its process."""

    async def _recognise(self, spec: LaunchSpec, process: Process) -> None:
        """Raise NotFound when this service's pid has been somebody else's; remember it otherwise."""
        async with self._remembering:
            path = self._context.state_dir / MEMORY
            service = f"{spec.project}/{spec.service}"
            known = await self._context.blocking(recognise, path, service, process, timeout=SEARCH_TIMEOUT)
        if not known:
            raise NotFound(
                f"pid {process.pid} is another process by now, {process}; the one that was watched has ended",
                hint="write the pid of the new one, or name it by `process_name`, `cmdline` or `pidfile`",
            )

    async def _keeper(self) -> Client:
        client: Client = await self._context.keeper()
        return client


def recognise(memory: Path, service: str, process: Process) -> bool:
    """Whether this is the process that the service's pid stood for before; a pid that is new to the service is."""
    try:
        known = json.loads(memory.read_text())
    except FileNotFoundError:
        known = {}
    except ValueError:
        known = {}  # torn by a power loss: better to watch than to refuse everything
    before = known.get(service)
    if before is not None and before["pid"] == process.pid:
        return bool(Identity(**before) == process.identity)
    known[service] = asdict(process.identity)
    fresh = memory.with_suffix(".new")
    fresh.write_text(json.dumps(known))
    os.replace(fresh, memory)
    return True


def hold(process: Process) -> int:
    """A pidfd of exactly this process; raises NotFound when it has ended, whoever has its number now."""
    pidfd = open_pidfd(process.pid)
    if pidfd is not None:
        # The hold comes first, the comparison second: the other way round a stranger could slip in between.
        again = find(process.pid)
        if again is not None and again.identity == process.identity and still_lives(pidfd):
            return pidfd
        os.close(pidfd)
    raise NotFound(f"{process} ended just now")
