"""Ask a keeper to start, watch, read, signal and kill runs, over any byte stream."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Mapping, Sequence

from harness_core.keeper import model
from harness_core.keeper.errors import CallTimeout, KeeperError, LinkLost, NoSuchRun, Refused
from harness_core.keeper.follow import read_here, read_there
from harness_core.keeper.link import Link, OpenStream
from harness_core.keeper.model import (
    Chunk,
    Hello,
    KeeperStats,
    LinkChange,
    Note,
    Replaced,
    RunExit,
    RunInfo,
    RunStats,
    Spawn,
    Started,
)
from harness_core.keeper.nudges import Nudges
from harness_core.keeper.session import ExecSession

if TYPE_CHECKING:
    from datetime import datetime

PROTOCOL = "1.0"
ACK_AFTER = 0.05
"""Seconds that an acknowledgement may wait for a request to go with."""
SPAWNS_AT_ONCE = 8
"""Spawns that are sent without waiting for more."""


class Client:
    """One named client of one keeper; reconnects by itself and loses no exit.

    ``patience`` is how long a call waits for a lost link to come back before it raises LinkLost (0: at once).
    With ``state_dir`` (a keeper on this machine) output is read from its files directly.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        *,
        name: str,
        state_dir: str | None = None,
        patience: float = 0.0,
        timeout: float = 10.0,
    ) -> None:
        self.name = name
        self.state_dir = state_dir
        self._patience = patience
        self._timeout = timeout
        self._link = Link(open_stream, greet=self._greet, on_message=self._on_message)
        self._link.on_change = self._on_link_change
        self._hello: Hello | None = None
        self._cursor = 0
        self._exits: dict[str, RunExit] = {}
        self._live: set[str] = set()
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._spawning: list[str] = []
        self._sessions: dict[str, ExecSession] = {}
        self._link_watchers: list[Callable[[LinkChange], None]] = []
        self._note_watchers: list[Callable[[Note], None]] = []
        self._nudges = Nudges()
        self._ack_planned = False

    async def connect(self, *, timeout: float | None = None) -> Hello:
        """The keeper's greeting, once the first conversation is open."""
        await self._link.start(timeout=timeout or self._timeout)
        assert self._hello is not None
        return self._hello

    async def aclose(self) -> None:
        """Let go of the keeper; runs go on."""
        self._link.on_change = lambda up, cause: None
        await self._link.aclose()
        self._nudges.close()
        for session in list(self._sessions.values()):
            session.cut("closed")
        self._sessions.clear()

    @property
    def hello(self) -> Hello | None:
        """The latest greeting: its epoch changes when the keeper was restarted."""
        return self._hello

    @property
    def connected(self) -> bool:
        """Whether a conversation is open now."""
        return self._link.up

    def on_link(self, callback: Callable[[LinkChange], None]) -> Callable[[], None]:
        """Call back whenever the link is lost or regained; returns what ends that."""
        self._link_watchers.append(callback)
        return lambda: self._link_watchers.remove(callback)

    def on_note(self, callback: Callable[[Note], None]) -> Callable[[], None]:
        """Call back with each note of the keeper; returns what ends that."""
        self._note_watchers.append(callback)
        return lambda: self._note_watchers.remove(callback)

    async def spawn(self, spawn: Spawn, *, timeout: float | None = None) -> Started:
        """The started run, or the one that exists already under this name; raises SpawnRefused."""

        # Encoded here, once: what is not JSON is this caller's mistake, and no other spawn of the batch suffers from it.
        encoded = json.dumps(spawn.to_wire(), separators=(",", ":"))

        async def ask(left: float) -> dict[str, Any]:
            # Every spawn of one loop tick goes in one message: fewer wake-ups on both sides.
            number, reply = self._link.expect()
            if not self._spawning:
                asyncio.get_running_loop().call_soon(self._flush_spawns)
            self._spawning.append('{"id":%d,%s' % (number, encoded[1:]))
            if len(self._spawning) == SPAWNS_AT_ONCE:
                self._flush_spawns()  # the keeper starts these while the rest are still being written down
            return await self._link.reply(number, reply, what="spawn", timeout=left)

        reply = await self._patiently(ask, timeout)
        return model.started_from_wire(reply["started"])

    async def signal(self, run: str, name: str, *, timeout: float | None = None) -> None:
        """Signal the main process of a run: ``"TERM"``, ``"HUP"``, …; nothing when it is gone already."""
        await self._ask("signal", timeout, run=run, signal=name)

    async def kill(self, run: str, timeout: float = 5.0) -> None:
        """Return when nothing of the run's tree is left; raises SurvivorsError naming what could not be killed."""
        await self._ask("kill", timeout + 2, run=run, within=timeout)

    async def wait(self, run: str) -> RunExit:
        """How the run ended, whenever that is; survives reconnection and a restart of the keeper."""
        while True:
            if run in self._exits:
                return self._exits[run]
            if self._link.up and run not in self._live:
                raise NoSuchRun(f"the keeper knows no run {run!r}")
            moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiters = self._waiters.setdefault(run, set())
            waiters.add(moved)
            try:
                await moved
            finally:
                waiters.discard(moved)
                if not waiters:
                    self._waiters.pop(run, None)

    async def list(self, *, specs: bool = False, timeout: float | None = None) -> list[RunInfo]:
        """Every run not disposed of yet, live or finished; ``specs`` adds the stored spec of each."""
        reply = await self._ask("list", timeout, specs=specs)
        return [model.info_from_wire(wire) for wire in reply["runs"]]

    async def info(self, run: str, *, timeout: float | None = None) -> RunInfo:
        """Everything known of one run, its spec too; raises NoSuchRun."""
        reply = await self._ask("info", timeout, run=run)
        return model.info_from_wire(reply["info"])

    async def output(
        self,
        run: str,
        *,
        since: str | datetime | None = None,
        tail: int | None = None,
        follow: bool = False,
    ) -> AsyncIterator[Chunk]:
        """The run's output strictly after ``since``, or its last ``tail`` lines; with ``follow`` until the run's end."""
        since_ns = None if since is None or isinstance(since, str) else int(since.timestamp() * 1e9)
        cursor = since if isinstance(since, str) else None
        if self.state_dir is not None:
            folder = os.path.join(self.state_dir, "runs", run)
            chunks = read_here(
                folder, cursor=cursor, since_ns=since_ns, tail=tail, follow=follow,
                nudges=self._nudges, known=lambda: run in self._live or run in self._exits,
                ended=lambda: run in self._exits, end=lambda: self._settles(run),
            )  # fmt: skip
        else:
            chunks = read_there(self._ask, run, cursor=cursor, since_ns=since_ns, tail=tail, follow=follow)
        async for chunk in chunks:
            yield chunk

    async def write(self, run: str, data: bytes | None, *, timeout: float | None = None) -> None:
        """Feed the run's standard input or terminal; None closes it. Returns once the run took it, or ended.

        Without ``timeout`` there is no bound: a program may read when it likes, and what was sent once must not be sent again.
        """
        if not self._link.up and not await self._link.regained(timeout=self._patience):
            raise LinkLost(f"no link to the keeper ({self._link.cause})")
        encoded = None if data is None else base64.b64encode(data).decode()
        await self._link.request("write", timeout=timeout, run=run, data=encoded)

    async def resize(self, run: str, *, rows: int, columns: int, timeout: float | None = None) -> None:
        """Tell the terminal of a run its new size; refused where it has none."""
        await self._ask("resize", timeout, run=run, rows=rows, columns=columns)

    async def exec(
        self,
        run: str | None,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str = "/",
        user: str | None = None,
        tty: bool = False,
        stdin: bool = False,
        rows: int = 24,
        columns: int = 80,
        limit: int | None = None,
        window: int | None = None,
        lifetime: float | None = None,
        timeout: float | None = None,
    ) -> ExecSession:
        """A transient command beside ``run`` (or beside nothing); killed as a tree after ``lifetime`` seconds.

        Beyond ``limit`` bytes of output the rest is counted, not delivered. With about ``window`` bytes that nobody has read
        yet the command has to wait, as with a pipe.
        """
        fields = {
            "run": run, "argv": [*argv], "env": {**env}, "cwd": cwd, "user": user, "tty": tty, "stdin": stdin, "rows": rows,
            "columns": columns, "limit": limit, "window": window, "lifetime": lifetime,
        }  # fmt: skip
        deadline = time.monotonic() + (timeout or self._timeout)
        while True:
            try:
                return await self._exec_once(fields, timeout or self._timeout, window)
            except Refused as refused:
                # It has begun nothing, and is about to become other code: that will.
                if refused.kind != "replacing" or not await self._link.moved(timeout=deadline - time.monotonic()):
                    raise
                await self._link.regained(timeout=max(0.0, deadline - time.monotonic()))

    async def _exec_once(self, fields: Mapping[str, Any], timeout: float, window: int | None) -> ExecSession:
        name = os.urandom(8).hex()
        session = ExecSession(self._link, name=name, timeout=timeout, window=window, forget=self._forget_session)
        self._sessions[name] = session
        try:
            reply = await self._ask("exec", timeout, retry=False, exec=name, **fields)
        except BaseException:
            self._forget_session(name)
            self._link.post({"op": "exec-close", "exec": name, "within": self._timeout})  # an answer may have been cut off
            raise
        session.pid = reply["pid"]
        return session

    async def stats(self, run: str, *, timeout: float | None = None) -> RunStats:
        """What the tree of a run uses now."""
        reply = await self._ask("stats", timeout, run=run)
        return RunStats(rss=reply["rss"], cpu_seconds=reply["cpu_seconds"], processes=reply["processes"])

    async def keeper_stats(self, *, timeout: float | None = None) -> KeeperStats:
        """What the keeper itself is and uses."""
        wire = (await self._ask("keeper-stats", timeout))["stats"]
        names = ("pid", "version", "epoch", "rss", "fds", "cpu_seconds", "runs", "live", "containment")
        return KeeperStats(notes=tuple(wire["notes"]), code=wire.get("code", ""), **{name: wire[name] for name in names})

    async def dispose(self, run: str, *, timeout: float | None = None) -> None:
        """Free what a finished run still holds, output included; nothing for an unknown one, refused for a live one."""
        await self._ask("dispose", timeout, run=run)

    async def replace(
        self,
        *,
        code: str,
        python: str | None = None,
        even_if_same: bool = False,
        check_timeout: float = 10.0,
        timeout: float = 60.0,
    ) -> Replaced:
        """Let the keeper become the code in that folder or zip, run by that interpreter (None: its own), keeping every child.

        Code that does not start there, or can't read this keeper's state, is refused and nothing happens; so is none with
        the same contents, unless ``even_if_same``. Transient commands are given two seconds to end, and then killed.
        """
        before, deadline = self._hello, time.monotonic() + timeout
        reply = await self._ask(
            "replace", timeout, retry=False, code=code, python=python, even_if_same=even_if_same, check_timeout=check_timeout
        )
        while reply["replaced"] and (self._hello is before or not self._link.up):
            if not await self._link.moved(timeout=deadline - time.monotonic()):
                raise CallTimeout("the keeper did not come back from its replacement")
        assert self._hello is not None
        assert before is not None
        crashed = self._hello.epoch != before.epoch
        if reply["replaced"] and not crashed and self._hello.code != reply["code"]:
            raise KeeperError("the keeper stayed what it was: the system refused to run the new code", kind="not-replaced")
        return Replaced(replaced=reply["replaced"], crashed=crashed, hello=self._hello)

    async def shutdown(self, *, force: bool = False, timeout: float | None = None) -> None:
        """End the keeper; refused while runs live, unless ``force``, which leaves them running for the next keeper."""
        await self._ask("quit", timeout, retry=False, force=force)
        await self.aclose()

    async def _ask(self, op: str, timeout: float | None = None, *, retry: bool = True, **fields: Any) -> dict[str, Any]:
        async def ask(left: float) -> dict[str, Any]:
            return await self._link.request(op, timeout=left, **fields)

        return await self._patiently(ask, timeout, retry=retry)

    async def _patiently(self, ask: Callable[[float], Any], timeout: float | None, *, retry: bool = True) -> dict[str, Any]:
        deadline = time.monotonic() + (timeout or self._timeout)
        while True:
            left = deadline - time.monotonic()
            if not self._link.up and not await self._link.regained(timeout=min(self._patience, max(0.0, left))):
                raise LinkLost(f"no link to the keeper ({self._link.cause})")
            try:
                reply: dict[str, Any] = await ask(max(0.001, deadline - time.monotonic()))
                return reply
            except LinkLost:
                if not retry or not self._patience or time.monotonic() >= deadline:
                    raise

    def _flush_spawns(self) -> None:
        batch, self._spawning = self._spawning, []
        if not batch:
            return  # they went as a full batch
        self._link.post_text('{"op":"spawn","batch":[%s]}' % ",".join(batch))

    async def _greet(self) -> None:
        known = self._hello.epoch if self._hello else None
        resumed = False

        def take_hello(wire: dict[str, Any]) -> None:
            nonlocal resumed
            resumed = wire["resumed"]
            if not resumed:
                self._cursor = wire["seq"]

        wire = await self._link.request(
            "hello", timeout=self._timeout, take=take_hello,
            version=PROTOCOL, name=self.name, epoch=known, cursor=self._cursor,
        )  # fmt: skip
        if wire["version"].split(".")[0] != PROTOCOL.split(".")[0]:
            raise KeeperError(f"the keeper speaks protocol {wire['version']}, this client {PROTOCOL}", kind="version")
        if not resumed:
            await self._link.request("list", timeout=self._timeout, take=self._take_all, specs=False)
        names = ("version", "pid", "epoch", "seq", "boot_id", "state_dir", "resumed")
        self._hello = Hello(code=wire.get("code", ""), **{name: wire[name] for name in names})

    def _take_all(self, reply: dict[str, Any]) -> None:
        runs = reply["runs"]
        self._live = {wire["run"] for wire in runs if not wire["exit"]}
        self._exits = {wire["run"]: model.exit_from_wire(wire["exit"]) for wire in runs if wire["exit"]}
        for run in list(self._waiters):
            if run not in self._live:
                self._stir(run)

    def _on_message(self, message: dict[str, Any]) -> None:
        if "x" in message:
            session = self._sessions.get(message["x"])
            if session is not None:
                session.feed(message)
            return
        kind = message.get("ev")
        if kind is None:
            return
        run = message.get("run")
        if message["seq"] <= self._cursor:
            return  # the list that was taken knows it already
        self._cursor = message["seq"]
        if kind in ("started", "adopted"):
            self._live.add(message["run"])
        elif kind == "exited":
            self._live.discard(message["run"])
            self._exits[message["run"]] = model.exit_from_wire(message)
            self._stir(message["run"])
        elif kind == "disposed":
            self._live.discard(message["run"])
            self._exits.pop(message["run"], None)
            self._stir(message["run"])
        elif kind == "note":
            note = Note(kind=message["kind"], text=message["text"], run=run, at=message["at"])
            for tell in list(self._note_watchers):
                tell(note)
        # With the next request, or by itself soon: each message wakes the keeper, and what follows an event should not wait.
        self._link.hold('{"op":"ack","seq":%d}\n' % self._cursor)
        if not self._ack_planned:
            self._ack_planned = True
            asyncio.get_running_loop().call_later(ACK_AFTER, self._ack)

    def _ack(self) -> None:
        self._ack_planned = False
        self._link.release()

    def _stir(self, run: str) -> None:
        for moved in self._waiters.get(run, ()):
            if not moved.done():
                moved.set_result(None)

    async def _settles(self, run: str) -> None:
        try:
            await self.wait(run)
        except NoSuchRun:
            return

    def _forget_session(self, name: str) -> None:
        self._sessions.pop(name, None)

    def _on_link_change(self, up: bool, cause: str) -> None:
        if not up:
            for session in list(self._sessions.values()):
                session.cut(cause)
            self._sessions.clear()
        else:
            for run in list(self._waiters):
                self._stir(run)
        for tell in list(self._link_watchers):
            tell(LinkChange(up=up, cause=cause))
