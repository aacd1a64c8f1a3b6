"""Preparation: everything that a start needs is looked for, pulled or built before anything is launched."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from harness_core.contracts.errors import HarnessError, LaunchFailed
from harness_core.engine.supervisor import Supervisor

AT_ONCE = 16


class CutByStop(HarnessError):
    """A start was cut by a stop before anything was started."""

    kind = "start.cut"


class PrepareFailed(HarnessError):
    """Something that a start needs is not there; nothing was started. `kind` is the first cause's."""

    kind = "prepare.failed"

    def __init__(self, causes: Mapping[str, HarnessError]) -> None:
        lines = [f"service {name!r}: {error.message}" for name, error in causes.items()]
        hints = dict.fromkeys(error.hint for error in causes.values() if error.hint)
        super().__init__("nothing was started: " + "; ".join(lines), hint="; ".join(hints) or None)
        self.kind = next(iter(causes.values())).kind


class Preparation:
    """The part of a start that a stop may cut."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def cut(self) -> None:
        """End what is being prepared, if anything is; whoever asked for it gets CutByStop."""
        if self._task is not None:
            self._task.cancel()

    async def run(
        self,
        supervisors: Sequence[Supervisor],
        *,
        freed: frozenset[int],
        touched: Callable[[str], float],
        log: logging.Logger,
    ) -> None:
        """Prepare all of them; raises PrepareFailed naming all that is missing.

        `freed` are ports that will be free by the time of the launch; `touched(run)` is when progress was last reported.
        """
        gate = asyncio.Semaphore(AT_ONCE)
        causes: dict[str, HarnessError] = {}

        async def prepare(supervisor: Supervisor) -> None:
            async with gate:
                try:
                    await supervisor.prepare(touched=touched, freed=freed)
                except HarnessError as error:
                    causes[supervisor.name] = error
                except Exception as error:
                    log.exception("prepare of %s/%s", supervisor.project, supervisor.name)
                    causes[supervisor.name] = LaunchFailed(f"executor {supervisor.config.type!r} crashed: {error!r}")

        async def prepare_all() -> None:
            async with asyncio.TaskGroup() as tasks:
                for supervisor in supervisors:
                    tasks.create_task(prepare(supervisor))

        self._task = work = asyncio.ensure_future(prepare_all())
        try:
            await work
        except asyncio.CancelledError:
            if work.cancelled() and not _being_cancelled():
                raise CutByStop("the start was cut by a stop; nothing was started") from None
            work.cancel()
            raise
        finally:
            self._task = None
        if causes:
            raise PrepareFailed(dict(sorted(causes.items())))


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
