"""`status --watch`: the table in place, brought up to date by events; in a pipe a fresh one whenever something has changed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness_core.cli.failures import ExitCode, Finish
from harness_core.cli.follow import reconnect
from harness_core.cli.footer import Footer
from harness_core.cli.hold import Hold
from harness_core.cli.render_status import status_screen
from harness_core.cli.session import Session
from harness_core.cli.text import Span, Style, line
from harness_core.client import RemoteError
from harness_core.protocol import StatusOfServices, SubscribeEvents
from harness_core.transport import ConnectionLost

if TYPE_CHECKING:
    from harness_core.client import Client, Stream

_TICK = 0.5
_KEY_TICK = 0.05
_CALM = 0.2
"""Seconds between two requests, however many events come."""
_FIGURES = 3.0
"""Seconds after which cpu and memory are asked for again: no event tells of them."""
_CLOCK = 1.0
"""Seconds after which uptimes have changed."""
_AGAIN = 2.0
"""Seconds after which a project that is gone is looked for again."""
_IN_TABLE = ("name", "type", "state", "health", "started_at", "restarts", "exit", "endpoints", "reason")
_VOLATILE = ("cpu_seconds", "memory", "processes")
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Watch:
    """One `status --watch`. `show` prints an answer where nothing can be drawn in place."""

    def __init__(
        self,
        session: Session,
        request: StatusOfServices,
        *,
        show: Callable[[Mapping[str, Any]], None],
        figures: bool,
        detailed: bool,
    ) -> None:
        output = session.output
        self._session = session
        self._request = request
        self._show = show
        self._figures, self._detailed = figures, detailed
        self._in_place = output.movable and not (output.settings.json or output.settings.quiet)
        self._footer = Footer(output, stream=output.stdout)
        self._hold = Hold(wanted=self._in_place, pause=self._footer.clear, resume=self._footer.forget)
        self._answer: dict[str, Any] = {}
        self._shown: Any = None
        self._asked = self._drawn = 0.0

    def run(self) -> int:
        """Watch until told to end; the exit code."""
        with _ending_by_signals(), self._hold:
            try:
                while not self._watch():
                    pass
            except Finish as e:
                return e.code
            finally:
                self._footer.leave()
        return ExitCode.REACHED

    def _watch(self) -> bool:
        """Watch on one connection for as long as it lasts; whether that was all."""
        try:
            client = self._session.client()
            # Subscribed before the first look: what happens between the two is not missed.
            stream = client.stream(SubscribeEvents(project=self._request.project, services=self._request.services))
            self._ask(client)
            return self._stay(client, stream)
        except ConnectionLost as e:
            reconnect(self._session, e, say=self._say, check=self._look)
        except RemoteError as e:
            if e.kind != "project.unknown" or not self._answer:
                raise
            self._wait_for_project()
        return False

    def _stay(self, client: Client, stream: Stream) -> bool:
        changed = False
        while True:
            client.wait(stream, timeout=_KEY_TICK if self._hold.keys else _TICK)
            # The first item of a subscription tells what was the case when it began, which has been asked for since.
            changed |= any(item["type"] != "reset" for item in stream.take())
            if stream.ended:
                stream.result  # noqa: B018 – raises: it ends by itself only with an error
            self._look()
            age = time.monotonic() - self._asked
            if (changed and age >= _CALM) or (self._counts and age >= _FIGURES):
                changed = False
                self._ask(client)
            elif time.monotonic() - self._drawn >= _CLOCK:
                self._draw()

    @property
    def _counts(self) -> bool:
        """Whether cpu and memory are shown."""
        return self._figures or self._detailed

    def _ask(self, client: Client) -> None:
        self._answer = client.call(self._request)
        self._asked = time.monotonic()
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if not self._in_place:
            if (essence := self._essence()) != self._shown:
                if self._shown is not None and not self._session.settings.json:
                    self._session.output.write("\n")
                self._shown = essence
                self._show(self._answer)
            return
        lines = status_screen(
            self._answer, now=datetime.now(UTC), columns=self._footer.columns, rows=self._footer.height,
            figures=self._figures, detailed=self._detailed,
        )  # fmt: skip
        hint = "   q ends" if self._hold.keys else "   Ctrl-C ends"
        self._footer.show([*lines[:-1], line(*lines[-1], Span(hint, Style.FAINT))])

    def _essence(self) -> Any:
        """What of the answer is worth showing again: what is seen of it, and not that time has passed."""
        services = self._answer["services"]
        if self._detailed:
            return services
        if self._session.settings.json:
            return [{key: value for key, value in s.items() if key not in _VOLATILE} for s in services]
        return [{key: s.get(key) for key in _IN_TABLE} for s in services]

    def _look(self) -> None:
        self._hold.look()
        if "q" in self._hold.pressed():
            raise Finish(ExitCode.REACHED)

    def _say(self, text: str) -> None:
        if self._in_place:
            self._footer.clear()
        self._session.output.say(text)

    def _wait_for_project(self) -> None:
        """It was taken down: whoever watches may be waiting for it to come up again."""
        self._answer = {**self._answer, "services": []}
        self._draw()
        until = time.monotonic() + _AGAIN
        while time.monotonic() < until:
            time.sleep(_KEY_TICK)
            self._look()


@contextmanager
def _ending_by_signals() -> Iterator[None]:
    """Signals that end a command end this one in order: with the terminal as it was."""

    def end(number: int, _: object) -> None:
        raise Finish(128 + number)

    before = {number: signal.signal(number, end) for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
