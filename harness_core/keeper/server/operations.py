"""Every request a client can make: one function each."""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, ClassVar

from harness_core.keeper.server import cgroups, kernel, launch, processes, reading, spawning, transient
from harness_core.keeper.server.check import Answer
from harness_core.keeper.server.code import VERSION
from harness_core.keeper.server.keeper import Keeper
from harness_core.keeper.server.refusal import Refusal
from harness_core.keeper.server.replacement import Replacement
from harness_core.keeper.server.run import Run

if TYPE_CHECKING:
    from harness_core.keeper.server.connection import Connection

SPAWN_SLICE = 0.01
READ_MOST = 512 << 10
LATER: dict[str, Any] = {"later": True}
"""What a request function returns when it answers by itself, later."""


class Operations:
    """Carries out requests. ``become`` and ``leave`` end this code's time and are lent by whoever started it."""

    def __init__(self, keeper: Keeper, *, become: Callable[[str, str], None], leave: Callable[[], None]) -> None:
        self._keeper = keeper
        self._become = become
        self._leave = leave
        self._spawns: deque[tuple[Connection, dict[str, Any]]] = deque()
        self.connections: set[Connection] = set()

    def handle(self, client: Connection, line: bytes) -> None:
        """Answer one line."""
        number = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise Refusal("bad-request", "a request is a JSON object")
            number = request.get("id")
            operation = self._TABLE.get(str(request.get("op")))
            if operation is None:
                raise Refusal("unknown-op", "this keeper (%s) knows no %r" % (VERSION, request.get("op")))
            self._carry_out_spawns_before(request)
            reply = operation(self, client, request)
        except Refusal as refusal:
            client.fail(number, refusal)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            client.fail(number, Refusal("bad-request", "%s: %s" % (type(error).__name__, error)))
        except OSError as error:
            client.fail(number, launch.explain(error))
        else:
            if reply is not LATER and number is not None:
                client.tell({"re": number, **reply})

    def gone(self, client: Connection) -> None:
        """A client hung up: its transient commands go too."""
        self.connections.discard(client)
        self._keeper.subscribers.discard(client)
        for command in list(self._keeper.transients.values()):
            if command.owner is client:
                command.abandon()

    def settle(self) -> None:
        """Answer whatever can be answered now: these are the last words of this code."""
        while self._spawns:
            self._spawn_one(*self._spawns.popleft())
        for run in self._keeper.runs.values():
            if run.feed is not None:
                run.feed.settle()
        for connection in list(self.connections):
            connection.flush()

    def _hello(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        keeper = self._keeper
        client.name = str(request["name"])
        cursor = int(request.get("cursor") or 0)
        missed = keeper.replay(request.get("epoch"), cursor)
        keeper.acknowledge(client.name, cursor if missed is not None else keeper.seq)
        client.tell(
            {
                "re": request.get("id"), "version": VERSION, "pid": os.getpid(), "epoch": keeper.epoch, "seq": keeper.seq,
                "boot_id": keeper.boot_id, "state_dir": keeper.state_dir, "resumed": missed is not None, "code": keeper.code,
            }
        )  # fmt: skip
        for line in missed or ():
            client.send(line)
        keeper.subscribers.add(client)
        return LATER

    def _ack(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        if client.name:  # only who said hello has a say in what is kept
            self._keeper.acknowledge(client.name, min(int(request["seq"]), self._keeper.seq))
        return {}

    def _spawn(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        if not self._spawns:
            self._keeper.loop.soon(self._spawn_some)
        self._spawns.extend((client, one) for one in request["batch"])
        return LATER

    def _spawn_some(self) -> None:
        # A slice of a large batch per turn: exits and output of others are not kept waiting.
        until = time.monotonic() + SPAWN_SLICE
        while self._spawns and time.monotonic() < until:
            self._spawn_one(*self._spawns.popleft())
        if self._spawns:
            self._keeper.loop.soon(self._spawn_some)

    def _spawn_one(self, client: Connection, one: dict[str, Any]) -> None:
        try:
            client.tell({"re": one.get("id"), "started": spawning.spawn(self._keeper, one)})
        except Refusal as refusal:
            client.fail(one.get("id"), refusal)
        except (ValueError, KeyError, TypeError) as error:
            client.fail(one.get("id"), Refusal("bad-request", "%s: %s" % (type(error).__name__, error)))

    def _carry_out_spawns_before(self, request: dict[str, Any]) -> None:
        # A request sees every spawn that was asked for before it: whoever cancelled a launch and asks what came of it
        # must not hear "no such run" of one that is about to start.
        run, everything = request.get("run"), request["op"] == "list"
        due = [spawn for spawn in self._spawns if everything or (run is not None and spawn[1].get("run") == run)]
        for spawn in due:
            self._spawns.remove(spawn)
            self._spawn_one(*spawn)

    def _signal(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        run, number = self._keeper.find(request["run"]), _signal_number(request["signal"])
        if run.live and run.pidfd >= 0:
            try:
                kernel.pidfd_send_signal(run.pidfd, number)
            except ProcessLookupError:
                return {}  # its end is about to be noticed
        elif run.live:
            os.kill(run.pid, number)  # our child, not reaped yet: the pid cannot be anybody else's
        return {}

    def _kill(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        run = self._keeper.find(request["run"])
        self._keeper.kill(run, float(request["within"]), _killed(client, request, "run %r" % run.run))
        return LATER

    def _list(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        specs = bool(request.get("specs"))
        return {"seq": self._keeper.seq, "runs": [run.describe(spec=specs) for run in self._keeper.runs.values()]}

    def _info(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        return {"info": self._keeper.find(request["run"]).describe(spec=True)}

    def _read(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        run = self._keeper.find(request["run"])
        try:
            position = reading.locate(
                run.folder, cursor=request.get("cursor"), since_ns=request.get("since_ns"), tail=request.get("tail")
            )
        except reading.BadCursor as error:
            raise Refusal("bad-request", str(error)) from None
        return self._read_from(client, request, run, position, float(request.get("wait") or 0))

    def _read_from(self, client: Connection, request: dict[str, Any], run: Run, position: int, wait: float) -> dict[str, Any]:
        ended = not run.live
        chunks = []
        cursor = "%d:0" % position
        for piece in reading.read(run.folder, position, READ_MOST):
            cursor = piece.cursor
            chunks.append((cursor, piece.at_ns, piece.stream, base64.b64encode(piece.data).decode(), piece.lost))
        if chunks or ended or wait <= 0:
            return {"chunks": chunks, "cursor": cursor, "ended": ended}
        self._wait_for_output(client, request, run, position, wait)
        return LATER

    def _wait_for_output(self, client: Connection, request: dict[str, Any], run: Run, position: int, wait: float) -> None:
        def look() -> None:
            timer.cancel()
            if look in run.readers:
                run.readers.remove(look)
            if not client.open:
                return
            if self._keeper.runs.get(run.run) is not run:
                client.fail(request["id"], Refusal("no-such-run", "run %r was disposed of" % run.run))
            else:
                client.tell({"re": request["id"], **self._read_from(client, request, run, position, 0)})

        run.readers.append(look)
        timer = self._keeper.loop.later(wait, look)

    def _write(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        run = self._keeper.find(request["run"])
        if run.feed is None:
            raise Refusal("no-stdin", "run %r was started without stdin (or by a keeper that is gone)" % run.run)
        run.feed.write(_data(request), lambda: client.tell({"re": request["id"]}))
        return LATER

    def _resize(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        run = self._keeper.find(request["run"])
        if run.feed is None or run.feed.owned or run.feed.fd < 0:
            raise Refusal("no-tty", "run %r has no terminal (any more)" % run.run)
        spawning.resize(run.feed.fd, int(request["rows"]), int(request["columns"]))
        return {}

    def _exec(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        if self._keeper.leaving:
            raise Refusal("replacing", "the keeper is being replaced: nothing was started, ask again")
        if request["exec"] in self._keeper.transients:
            raise Refusal("bad-request", "a transient command of that name exists")
        return {"pid": transient.Transient(self._keeper, client, request).pid}

    def _exec_write(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        command = transient.find(self._keeper, request["exec"])
        if command.feed is None:
            raise Refusal("no-stdin", "the command was started without stdin")
        command.feed.write(_data(request), lambda: client.tell({"re": request["id"]}))
        return LATER

    def _exec_resize(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        command = transient.find(self._keeper, request["exec"])
        if command.terminal < 0:
            raise Refusal("no-tty", "the command has no terminal")
        spawning.resize(command.terminal, int(request["rows"]), int(request["columns"]))
        return {}

    def _exec_read(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        command = self._keeper.transients.get(request["exec"])
        if command is not None:  # or it has ended meanwhile
            command.was_read(int(request["bytes"]))
        return {}

    def _exec_signal(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        command, number = transient.find(self._keeper, request["exec"]), _signal_number(request["signal"])
        if command.live:
            os.killpg(command.pid, number)  # it leads its own group, and is not reaped yet
        return {}

    def _exec_close(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        command = transient.find(self._keeper, request["exec"])
        command.kill(float(request["within"]), _killed(client, request, "the transient command"))
        return LATER

    def _stats(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        run = self._keeper.find(request["run"])
        rss, cpu, count = processes.usage(self._keeper.killer.members(run))
        whole = cgroups.cpu_seconds(run.cgroup) if run.cgroup is not None else None
        return {"rss": rss, "cpu_seconds": cpu if whole is None else whole, "processes": count}

    def _keeper_stats(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        keeper = self._keeper
        rss, cpu, _ = processes.usage({os.getpid()})
        stats = {
            "pid": os.getpid(), "version": VERSION, "epoch": keeper.epoch, "rss": rss, "cpu_seconds": cpu,
            "fds": len(os.listdir("/proc/self/fd")) - 1, "runs": len(keeper.runs),
            "live": sum(run.live for run in keeper.runs.values()), "containment": keeper.containment, "notes": keeper.notes,
            "code": keeper.code,
        }  # fmt: skip
        return {"stats": stats}

    def _dispose(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        self._keeper.dispose(str(request["run"]))
        return {}

    def _replace(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        def answer(found: Answer) -> None:
            if isinstance(found, Refusal):
                client.fail(request.get("id"), found)
            else:
                client.tell({"re": request.get("id"), **found})

        Replacement(self._keeper, request, answer=answer, become=self._become)
        return LATER

    def _quit(self, client: Connection, request: dict[str, Any]) -> dict[str, Any]:
        live = [run.run for run in self._keeper.runs.values() if run.live]
        if live and not request.get("force"):
            names = ", ".join(live[:5])
            raise Refusal("runs-live", "%d runs are live (%s): they would go on without a keeper" % (len(live), names))
        client.tell({"re": request.get("id")})
        client.when_flushed(self._leave)
        return LATER

    _TABLE: ClassVar[dict[str, Callable[[Operations, Connection, dict[str, Any]], dict[str, Any]]]] = {
        "hello": _hello,
        "ack": _ack,
        "spawn": _spawn,
        "signal": _signal,
        "kill": _kill,
        "list": _list,
        "info": _info,
        "read": _read,
        "write": _write,
        "resize": _resize,
        "exec": _exec,
        "exec-write": _exec_write,
        "exec-read": _exec_read,
        "exec-resize": _exec_resize,
        "exec-signal": _exec_signal,
        "exec-close": _exec_close,
        "stats": _stats,
        "keeper-stats": _keeper_stats,
        "dispose": _dispose,
        "replace": _replace,
        "quit": _quit,
    }


def _killed(client: Connection, request: dict[str, Any], what: str) -> Callable[[list[tuple[int, str]]], None]:
    def done(survivors: list[tuple[int, str]]) -> None:
        if not survivors:
            client.tell({"re": request.get("id")})
            return
        names = ", ".join("%d (%s)" % (pid, line or "?") for pid, line in survivors[:10])
        message = "%d processes of %s could not be killed: %s" % (len(survivors), what, names)
        client.fail(request.get("id"), Refusal("survivors", message, survivors=survivors[:100]))

    return done


def _signal_number(name: Any) -> int:
    number = kernel.signal_number(str(name))
    if number is None:
        raise Refusal("bad-request", "%r is not the name of a signal" % (name,))
    return number


def _data(request: dict[str, Any]) -> bytes | None:
    if request["data"] is None:
        return None
    try:
        return base64.b64decode(request["data"], validate=True)
    except binascii.Error:
        raise Refusal("bad-request", "data is not base64") from None
