"""The state that a keeper leaves for the code that replaces it, and that code takes over: JSON in memory, and descriptors."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from harness_core.keeper.server import adoption, spawning
from harness_core.keeper.server.cgroups import Cgroups
from harness_core.keeper.server.code import STATES
from harness_core.keeper.server.feed import Feed
from harness_core.keeper.server.keeper import Keeper
from harness_core.keeper.server.run import Run

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Kept back while the new code has no handlers yet: their default is death."""


def become(python: str, code: str, state_dir: str, keeper: Keeper, standing: dict[str, Any]) -> None:
    """Be that code from now on, in this process; returns only if the system refuses, with everything as it was.

    ``standing`` is what belongs to the process and not to the keeper: descriptors of lock and socket, limits.
    """
    state, fds = hand_over(keeper)
    fds += [standing["lock"], standing["listen"]]
    memory = -1
    try:
        memory = os.memfd_create("keeper-state")
        with os.fdopen(os.dup(memory), "wb") as file:
            file.write(json.dumps({**standing, **state}).encode())
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        for fd in (*fds, memory):
            os.set_inheritable(fd, True)
        # What is not handed over closes by itself, the clients' connections too: they come back with their cursors.
        os.execv(python, [python, "-I", "-S", code, state_dir, "--resume", str(memory)])
    except OSError as error:
        for fd in fds:
            os.set_inheritable(fd, False)
        if memory >= 0:
            os.close(memory)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        keeper.being_replaced = keeper.leaving = False
        keeper.note("replacement", "the keeper could not become %s: %s" % (code, error.strerror))


def hand_over(keeper: Keeper) -> tuple[dict[str, Any], list[int]]:
    """All that a keeper is, as JSON, and the descriptors in it."""
    runs = [_hand_over_run(run) for run in keeper.runs.values()]
    journal = keeper.journal.hand_over()
    state = {
        "state": STATES[-1],
        "epoch": keeper.epoch,
        "seq": keeper.seq,
        "acknowledged": keeper.acknowledged,
        "events": [(seq, line.decode()) for seq, line in keeper.events],
        "journal": journal,
        "cgroups": keeper.cgroups.hand_over() if keeper.cgroups is not None else None,
        "notes": keeper.notes,
        "runs": runs,
    }
    fds: list[int] = [journal["fd"]]
    for run in runs:
        fds += [fd for fd, _ in run["captures"]]
        fds += [run["pidfd"], run["segments"]["log"], run["segments"]["index"], run["feed"]["fd"] if run["feed"] else -1]
    return state, sorted({fd for fd in fds if fd >= 0})


def _hand_over_run(run: Run) -> dict[str, Any]:
    return {
        "record": run.record(),
        "mark": run.mark,
        "written": run.written.decode() if run.written is not None else None,
        "folder": run.folder,
        "foreign": run.foreign,
        "captures": [(capture.fd, capture.stream) for capture in run.captures if capture.open],
        "feed": run.feed.hand_over() if run.feed is not None and run.feed.fd >= 0 else None,
        "pidfd": run.pidfd,
        "segments": run.segments.hand_over(),
    }


def read(memory: int) -> dict[str, Any]:
    """The state that another keeper's code left for us; ValueError when it is of a version that we do not know."""
    with os.fdopen(memory, "rb") as file:
        file.seek(0)
        state: dict[str, Any] = json.loads(file.read())
    if state["state"] not in STATES:
        raise ValueError("handed-over state of version %r; this code reads %s" % (state["state"], list(STATES)))
    return state


def take_over(keeper: Keeper, state: dict[str, Any]) -> None:
    """Be the keeper whose state this is: the same epoch and events, the same runs in the same descriptors."""
    keeper.notes = state["notes"]
    keeper.epoch, keeper.seq, keeper.acknowledged = state["epoch"], state["seq"], state["acknowledged"]
    keeper.events.extend((seq, line.encode()) for seq, line in state["events"])
    keeper.journal.take_over(state["journal"])
    if state["cgroups"] is not None:
        keeper.cgroups = Cgroups(state["cgroups"]["home"], state["cgroups"]["base"])
    runs = []
    for handed in state["runs"]:
        written = handed.get("written")  # a keeper of before left it in the folder
        run = Run(
            handed["folder"], handed["mark"], fifo_dir=handed["record"]["fifo_dir"], written=written.encode() if written else None
        )
        run.restore(handed["record"])
        run.foreign, run.pidfd = handed["foreign"], handed["pidfd"]
        keeper.open_segments(run)
        run.segments.take_over(handed["segments"])
        keeper.runs[run.run] = run
        runs.append((run, handed))
    adoption.end_transients(keeper)
    for run, handed in runs:
        for fd, stream in handed["captures"]:
            keeper.capture(run, fd, stream)
        if handed["feed"]:
            run.feed = Feed(keeper.loop, handed["feed"]["fd"], owned=handed["feed"]["owned"])
            run.feed.take_over(handed["feed"])
        if run.live and run.foreign:
            adoption.watch(keeper, run)
        elif run.live:
            spawning.own(keeper, run)


def close_on_exec() -> None:
    """What was handed over is ours alone again: no service may inherit any of it."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                continue  # of the listing itself
