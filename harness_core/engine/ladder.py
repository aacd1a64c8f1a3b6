"""The ladder that ends a run: stop command, stop signal, patience, KILL of the whole tree, and a look whether it is empty."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from harness_core.config.model import StopConfig
from harness_core.contracts.command import Command
from harness_core.contracts.errors import HarnessError, NotSupported, Survivors, Unreachable
from harness_core.contracts.execution import AttachedHandle, ProcessHandle
from harness_core.contracts.health import ExecResult
from harness_core.contracts.run import Exit

KILL_TIMEOUT = 10.0
"""Seconds that a kill of a whole tree may take."""
CALL_TIMEOUT = 10.0
EXIT_AFTER_KILL = 5.0
LONGEST_WORD = 300
"""Characters of what a stop command said that are quoted in a note."""
LOST = Exit(reason="lost")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stop went: the exit, why KILL was needed (None: it wasn't), what survived, what else is worth a note."""

    exit: Exit
    killed: str | None = None
    survivors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


async def descend(
    handle: ProcessHandle,
    config: StopConfig,
    *,
    grace: float,
    kill_now: asyncio.Event,
    run_inside: Callable[[Command], Awaitable[ExecResult]] | None,
) -> Ended:
    """End a run within `grace` seconds plus the time that KILL takes. Raises Unreachable when the place can't be asked."""
    exit: Exit | None = None
    killed: str | None = None
    notes: list[str] = []
    if not kill_now.is_set():
        # The whole of it shares one patience: a stop command that hangs must not double the wait.
        deadline = asyncio.get_running_loop().time() + grace
        if config.command and run_inside:
            notes += await _run_stop_command(config.command, run_inside, grace, kill_now)
        if not kill_now.is_set():
            notes += await _ask_to_stop(handle, config.signal, grace)
        exit = await _exit_before(handle, deadline, kill_now)
    if exit is None:
        killed = "asked to kill" if kill_now.is_set() else f"did not end within {grace:g} s"
    elif await count_processes(handle):
        killed = "its main process ended and left others behind"
    survivors = await clear(handle)
    if exit is None:
        # What survives gives no exit to wait for; whoever waits for its end asks then.
        exit = LOST if survivors else await exit_soon(handle)
    return Ended(exit, killed, survivors, tuple(notes))


async def clear(handle: ProcessHandle) -> tuple[str, ...]:
    """Kill whatever is left of a run's tree; what survived."""
    try:
        async with asyncio.timeout(KILL_TIMEOUT):
            await handle.kill()
    except Survivors as error:
        return error.survivors
    except TimeoutError:
        return (f"{handle.ref}: KILL did not finish within {KILL_TIMEOUT:g} s",)
    except Unreachable:
        raise
    except HarnessError as error:
        return (f"{handle.ref}: {error.message}",)
    return ()


async def exit_soon(handle: ProcessHandle) -> Exit:
    """The exit of a run that was killed; unknown when it does not come."""
    try:
        async with asyncio.timeout(EXIT_AFTER_KILL):
            return await handle.wait()
    except (HarnessError, TimeoutError):
        return LOST


async def has_ended(handle: AttachedHandle) -> bool:
    """Whether the end of a run is known without waiting for anything."""
    ended = asyncio.ensure_future(handle.wait())
    done, _ = await asyncio.wait({ended}, timeout=0)
    ended.cancel()
    await asyncio.wait({ended})
    return bool(done)


async def count_processes(handle: ProcessHandle) -> int:
    """How many processes a run has now; 0 when the executor can't tell."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            return (await handle.stats()).processes or 0
    except (NotSupported, HarnessError, TimeoutError):
        return 0


async def _ask_to_stop(handle: ProcessHandle, signal: str | None, grace: float) -> list[str]:
    """Notes on why asking did not work; KILL follows after the patience all the same."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            await handle.request_stop(signal, grace)
    except Unreachable:
        raise
    except HarnessError as error:
        return [f"it could not be asked to stop: {error.message}"]
    except TimeoutError:
        return [f"asking it to stop did not finish within {CALL_TIMEOUT:g} s"]
    return []


async def _run_stop_command(
    command: tuple[str, ...], run_inside: Callable[[Command], Awaitable[ExecResult]], grace: float, kill_now: asyncio.Event
) -> list[str]:
    shown = shlex.join(command)
    working = asyncio.ensure_future(run_inside(Command(argv=command)))
    killing = asyncio.ensure_future(kill_now.wait())
    try:
        await asyncio.wait({working, killing}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return [f"stop command {shown} did not end in time"]
        result = working.result()
        return [] if result.code == 0 else [f"stop command {shown} {_failure(result)}"]
    except HarnessError as error:
        return [f"stop command {shown} failed: {error.message}"]
    finally:
        working.cancel()
        killing.cancel()
        await asyncio.wait({working, killing})


def _failure(result: ExecResult) -> str:
    """How it ended and the last thing that it said, which mostly tells why."""
    how = f"exited with {result.code}" if result.signal is None else f"was ended by {result.signal}"
    said = result.output.decode(errors="replace").strip().rpartition("\n")[2].strip()
    return f"{how}: {said[:LONGEST_WORD]}" if said else how


async def _exit_before(handle: ProcessHandle, deadline: float, kill_now: asyncio.Event) -> Exit | None:
    ended = asyncio.ensure_future(handle.wait())
    killing = asyncio.ensure_future(kill_now.wait())
    try:
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait({ended, killing}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else None
    finally:
        ended.cancel()
        killing.cancel()
        await asyncio.wait({ended, killing})
