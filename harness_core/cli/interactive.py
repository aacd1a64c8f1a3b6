"""Interactive: one program elsewhere, on this terminal: what it writes is shown as it comes, what is typed goes to it.

One loop in one thread, over the connection, standard input and signals; requests that carry input are answered in between, and
input is read only when the piece before was taken.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from harness_core.cli.detach_keys import DetachKeys, in_words
from harness_core.cli.failures import exit_code_of_service
from harness_core.cli.session import Session
from harness_core.cli.terminal import Signals, Terminal
from harness_core.client import RemoteError
from harness_core.contracts.errors import HarnessError
from harness_core.protocol import (
    MAX_WRITE,
    AttachService,
    CloseExec,
    OpenExec,
    ResizeExec,
    ResizeService,
    SignalExec,
    WriteExec,
    WriteStdin,
)
from harness_core.transport import ConnectionLost

if TYPE_CHECKING:
    from harness_core.client import Client, Stream
    from harness_core.protocol import Request

STDIN = 0
_CLOSE_TIMEOUT = 15.0
"""Seconds for the daemon to end what runs inside, when we are told to end."""
_INTERRUPTS = 2
"""Ctrl-C is passed on so often; the next one kills."""


class Interaction(ABC):
    """What exec and attach share; a context manager around one stream."""

    def __init__(self, session: Session, request: Request, *, terminal: Terminal) -> None:
        self._session = session
        self._request = request
        self._terminal = terminal
        self._client: Client = session.client()
        self._reading = False
        self._raw = False
        self._writing: Stream | None = None
        self._asides: list[Stream] = []
        self._code: int | None = None

    def run(self) -> int:
        """Stay until the other side ends, or until told to; the exit code."""
        with Signals() as signals, self._terminal:
            stream = self._client.stream(self._request)
            try:
                while self._code is None:
                    self._round(stream, signals)
            except ConnectionLost as e:
                self._terminal.restore()
                raise ConnectionLost(f"{e.message}; {self._fate}", hint=e.hint, told=e.told) from e
            return self._code

    def _round(self, stream: Stream, signals: Signals) -> None:
        reading = [STDIN] if self._reading and self._writing is None else []
        ready = self._client.attend([signals.fileno(), *reading])
        for item in stream.take():
            self._take(stream, item)
        self._settle()
        if stream.ended and self._code is None:
            self._code = self._ended(stream.result["exit"])
            return
        if signals.fileno() in ready:
            for number in signals.take():
                self._obey(stream, number)
        if STDIN in ready and self._code is None:
            self._read(stream)

    # --- what comes --------------------------------------------------------------------------------------------------

    def _take(self, stream: Stream, item: dict[str, Any]) -> None:
        output = self._session.output
        if item["type"] in ("opened", "attached"):
            self._begun(stream, item)
        if output.settings.json:
            output.json(item)
        elif item["type"] == "output":
            data = base64.b64decode(item["base64"]) if "base64" in item else item["text"].encode()
            if item["stream"] == "err":
                self._to_stderr(data)
            else:
                output.write_bytes(data)
            if self._terminal.shows:
                self._terminal.note(data)

    def _to_stderr(self, data: bytes) -> None:
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()

    def _ended(self, exit: dict[str, Any]) -> int:
        self._terminal.restore()
        if self._session.settings.json:
            self._session.output.json({"type": "exit", "exit": exit})
        return exit_code_of_service(exit)

    def _settle(self) -> None:
        """Look at what came of the requests beside the stream."""
        if self._writing is not None and self._writing.ended:
            writing, self._writing = self._writing, None
            try:
                writing.result  # noqa: B018 - raises when it could not be written
            except RemoteError as e:
                self._reading = False
                self._unwritten(e)
        # A size that could not be told to a program that has just ended is no news.
        self._asides = [aside for aside in self._asides if not aside.ended]

    # --- what goes ---------------------------------------------------------------------------------------------------

    def _read(self, stream: Stream) -> None:
        try:
            data = os.read(STDIN, MAX_WRITE)
        except BlockingIOError:
            return
        except OSError:  # closed, or of a terminal that is gone
            data = b""
        if not data:
            self._reading = False
        self._typed(stream, data)

    def _write(self, request: Request) -> None:
        self._writing = self._client.stream(request)

    def _aside(self, request: Request) -> None:
        self._asides.append(self._client.stream(request))

    def _say(self, text: str) -> None:
        """Talk in the middle of it: a raw terminal would put it anywhere."""
        raw, self._raw = self._raw, False
        self._terminal.restore()
        self._session.output.say(text)
        if raw:
            self._raw = True
            self._terminal.seize()

    # --- how the two differ ------------------------------------------------------------------------------------------

    _fate = ""

    @abstractmethod
    def _begun(self, stream: Stream, item: dict[str, Any]) -> None: ...

    @abstractmethod
    def _typed(self, stream: Stream, data: bytes) -> None: ...

    @abstractmethod
    def _obey(self, stream: Stream, number: int) -> None: ...

    @abstractmethod
    def _unwritten(self, error: HarnessError) -> None: ...


class Inside(Interaction):
    """A command inside a service: `harness exec`."""

    _fate = "the command inside has ended with it"

    def __init__(self, session: Session, request: OpenExec, *, terminal: Terminal) -> None:
        super().__init__(session, request, terminal=terminal)
        self._tty, self._fed = request.tty, request.stdin
        self._interrupts = 0

    def _begun(self, stream: Stream, item: dict[str, Any]) -> None:
        self._reading = self._fed
        if self._tty and self._fed and self._terminal.is_one:
            self._raw = True
            self._terminal.seize()

    def _typed(self, stream: Stream, data: bytes) -> None:
        self._write(WriteExec(session=stream.id, data=_encoded(data) if data else None))

    def _unwritten(self, error: HarnessError) -> None:
        """It has closed its input, or ended: as with a pipe, what is left is nobody's."""

    def _obey(self, stream: Stream, number: int) -> None:
        if number == signal.SIGWINCH:
            if self._tty:
                rows, columns = self._terminal.size
                self._aside(ResizeExec(session=stream.id, rows=rows, columns=columns))
        elif number == signal.SIGINT:
            self._interrupts += 1
            if self._interrupts <= _INTERRUPTS:
                self._aside(SignalExec(session=stream.id, signal="INT"))
                if self._interrupts == _INTERRUPTS:
                    self._say("Ctrl-C once more kills it")
            else:
                self._aside(CloseExec(session=stream.id))
        else:
            self._terminal.restore()
            self._client.call(CloseExec(session=stream.id), timeout=_CLOSE_TIMEOUT)
            self._code = 128 + number


class Onlooker(Interaction):
    """The service itself: `harness attach`."""

    _fate = "the service runs on: attach again"

    def __init__(
        self, session: Session, request: AttachService, *, terminal: Terminal, keys: str, detach: bytes, stdin: bool
    ) -> None:
        super().__init__(session, request, terminal=terminal)
        self._project, self._service = request.project, request.service
        self._keys, self._detach = keys, DetachKeys(detach)
        self._wants_stdin = stdin
        self._tty = False

    def _begun(self, stream: Stream, item: dict[str, Any]) -> None:
        self._tty = item["tty"]
        self._reading = item["stdin"] and self._wants_stdin
        self._raw = self._tty and self._reading and self._terminal.is_one
        how = in_words(self._keys) if self._raw else "Ctrl-C"
        deaf = "" if self._reading or not self._wants_stdin else " (it takes no input)"
        self._session.output.say(f"attached to {self._service}{deaf}; {how} detaches, and it runs on")
        if self._raw:
            self._terminal.seize()
        self._tell_size()

    def _typed(self, stream: Stream, data: bytes) -> None:
        if not data:
            # Whoever comes next must find it as it is: the end of what one of them types is not the end of its input.
            self._say(f"end of input; {self._service} keeps its own open, and what it writes is shown")
            return
        gone = False
        if self._raw:
            data, gone = self._detach.feed(data)
        if data:
            self._write(WriteStdin(project=self._project, service=self._service, data=_encoded(data)))
        if gone:
            self._leave(0)

    def _unwritten(self, error: HarnessError) -> None:
        self._say(f"{self._service} takes no input any more: {error.message}")

    def _obey(self, stream: Stream, number: int) -> None:
        if number == signal.SIGWINCH:
            self._tell_size()
        else:
            self._leave(128 + number)

    def _tell_size(self) -> None:
        if self._tty and self._terminal.shows:
            rows, columns = self._terminal.size
            self._aside(ResizeService(project=self._project, service=self._service, rows=rows, columns=columns))

    def _leave(self, code: int) -> None:
        self._raw = False
        self._say(f"\ndetached; {self._service} runs on" if self._terminal.shows else f"detached; {self._service} runs on")
        self._code = code


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
