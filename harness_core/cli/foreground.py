"""`up` in the foreground: start, show logs and changes, and stop what was started when told to.

One loop over the streams of one connection; signals and keys are only noted as they come, and looked at between two items.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness_core.cli.board import Board
from harness_core.cli.failures import ExitCode, Finish, exit_code_of_service
from harness_core.cli.follow import EventFollow, LogFollow, reconnect
from harness_core.cli.foreground_screen import NOTHING_TO_STOP, Screen
from harness_core.cli.foreground_wish import Phase, Streams, Wish
from harness_core.cli.hands import Hands, choices
from harness_core.cli.session import Session
from harness_core.cli.words import ending
from harness_core.client import RemoteError
from harness_core.protocol import ApplyConfig, ReadLogs, StatusOfServices, StopServices, SubscribeEvents
from harness_core.transport import ConnectionLost

if TYPE_CHECKING:
    from harness_core.client import Client

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_TICK = 0.2
_KEY_TICK = 0.05
"""Seconds that a key may wait; a person feels twice as much."""
_RECONNECTIONS = 5
"""How often a new connection may be lost at once, one after the other."""
_LAST_WORDS = 0.3
"""Seconds of silence after which the logs of stopped services count as read."""
_LAST_WORDS_AT_MOST = 3.0


class Foreground:
    """One `up`, from the request to its exit code."""

    def __init__(self, session: Session, wish: Wish) -> None:
        self._session = session
        self._wish = wish
        self._board = Board(wish.shown)
        self._screen = Screen(session.output, wish.shown)
        self._logs = LogFollow(
            ReadLogs(project=wish.project, services=tuple(wish.shown), since=datetime.now(UTC).isoformat(), follow=True)
        )
        self._events = EventFollow(SubscribeEvents(project=wish.project, services=tuple(wish.shown)))
        self._streams = Streams()
        self._hands = Hands(self._screen, wish.project)
        self._name = ""
        self._seen, self._refreshed = self._hands.view, 0.0
        self._phase = Phase.STARTING
        self._accepted = False
        self._signals: list[int] = []
        self._obeyed = 0
        self._kill = False
        self._code: int | None = None

    def run(self) -> int:
        """Stay until told to stop, or until nothing runs any more; the exit code."""
        with self._noting_signals(), self._hands.hold:
            try:
                self._open(self._session.client())
                while not self._step():
                    pass
            finally:
                self._screen.close()
        return ExitCode.REACHED if self._code is None else self._code

    def _step(self) -> bool:
        """One round of the loop; whether all is done."""
        try:
            client = self._session.client()
            news = client.wait(*self._streams.all(), *self._hands.streams, timeout=_KEY_TICK if self._hands.hold.keys else _TICK)
            self._hands.hold.look()
            self._take(client)
            if self._screen.gone and self._phase is not Phase.STOPPING:
                self._stop(client, code=128 + signal.SIGPIPE)
            self._look_at_signals(client)
            done = self._look_at_keys(client) or self._advance(client)
        except ConnectionLost as e:
            self._reconnect(e)
            return False
        # Between two keys nothing but a clock changes, and nobody needs to see it twenty times a second.
        if news is not None or self._hands.view is not self._seen or time.monotonic() - self._refreshed >= _TICK:
            self._refresh()
        return done

    def _refresh(self) -> None:
        self._seen, self._refreshed = self._hands.view, time.monotonic()
        self._screen.refresh(
            self._board, self._hands.view, name=self._name, choices=choices(self._board), keys=self._hands.hold.keys,
            stopping=self._phase is Phase.STOPPING,
        )  # fmt: skip

    def _reconnect(self, error: ConnectionLost) -> None:
        """Go on where it was, on a new connection."""
        for _ in range(_RECONNECTIONS):
            reconnect(self._session, error, say=self._screen.say, check=self._look_without_daemon)
            self._streams = Streams()
            self._hands.lose_connection()
            try:
                return self._open(self._session.client())
            except ConnectionLost as again:
                error = again
        raise error

    def _look_without_daemon(self) -> None:
        self._hands.hold.look()
        for deed in self._hands.wishes(self._board):
            if deed.verb == "detach":
                self._screen.say("detached; services run on without a daemon, and the next command starts one: harness status")
                raise Finish(ExitCode.REACHED)
            if deed.verb == "filter":
                self._screen.narrow(deed.text)
            else:
                self._screen.say(f"no daemon to {deed.verb} it just now")
        self._refresh()
        if len(self._signals) - self._obeyed > 1:
            self._screen.say("giving up; services run on without a daemon, and the next command starts one: harness down")
            raise Finish(128 + self._signals[-1])

    # --- requests ----------------------------------------------------------------------------------------------------

    def _open(self, client: Client) -> None:
        """Ask for what this phase needs, on a connection that has nothing yet."""
        wish, streams = self._wish, self._streams
        if self._phase is Phase.STARTING:
            streams.apply = client.stream(
                ApplyConfig(bundle=wish.bundle, services=wish.services, start=True, wait=True, timeout=wish.timeout)
            )
        if self._accepted:
            self._listen(client)
        if self._phase is Phase.STOPPING:
            self._ask_to_stop(client)

    def _listen(self, client: Client) -> None:
        """Read logs and events from where they were read to; the project has to exist for that."""
        self._accepted = True
        self._learn(client)
        missed, going_on = self._events.missed(client)
        self._show(missed)
        self._streams.events = client.stream(going_on)
        self._streams.logs = client.stream(self._logs.request())

    def _learn(self, client: Client) -> None:
        now = time.monotonic()
        status = client.call(StatusOfServices(project=self._wish.project))
        self._name = status["name"]
        for service in status["services"]:
            self._board.learn(service, now)

    def _stop(self, client: Client, *, code: int) -> None:
        """Begin to stop what this `up` started, and end with `code`."""
        apply = self._streams.apply
        if not self._accepted and apply is not None:
            # The daemon may not have looked at it yet: then nothing must ever come of it.
            apply.cancel()
            while not apply.ended:
                client.wait(apply)
                apply.take()
            self._streams.apply = None
        self._phase, self._code = Phase.STOPPING, code
        self._hands.rest()
        self._ask_to_stop(client)

    def _ask_to_stop(self, client: Client) -> None:
        if self._wish.started:
            request = StopServices(project=self._wish.project, services=self._wish.started, force=True, kill=self._kill)
            self._streams.stops.append(client.stream(request))

    # --- what comes --------------------------------------------------------------------------------------------------

    def _take(self, client: Client) -> None:
        """Take in what the streams have brought."""
        streams = self._streams
        if streams.apply is not None:
            first = next((item for item in streams.apply.take() if item["type"] == "event"), None)
            if first is not None and not self._accepted:
                self._events.take(first)
                self._show([first])
                self._listen(client)
        for stop in streams.stops:
            stop.take()
        if streams.events is not None:
            self._show(streams.events.take())
        if streams.logs is not None:
            items = streams.logs.take()
            for item in items:
                self._logs.take(item)
            self._screen.logs(items)
        if self._phase is Phase.STAYING:
            for stream in (streams.events, streams.logs):
                if stream is not None and stream.ended:
                    stream.result  # noqa: B018 – raises: they end by themselves only with an error

    def _show(self, items: list[dict[str, Any]]) -> None:
        now = time.monotonic()
        for item in items:
            self._events.take(item)
            self._board.take(item, now)
        self._screen.events(items)

    def _look_at_signals(self, client: Client) -> None:
        """Obey the signals that came: the first stops, the second kills, the third leaves the rest to the daemon."""
        while self._obeyed < len(self._signals):
            number = self._signals[self._obeyed]
            self._obeyed += 1
            if self._phase is not Phase.STOPPING:
                self._screen.say("stopping; Ctrl-C again kills at once")
                self._stop(client, code=128 + number)
            elif not self._kill:
                self._kill = True
                self._screen.say("killing")
                self._ask_to_stop(client)
            else:
                self._screen.say("not waiting any longer; the daemon goes on with it: harness status")
                raise Finish(128 + number)

    def _look_at_keys(self, client: Client) -> bool:
        """Do what was asked for by keys; whether that ends it."""
        self._hands.see()
        for deed in self._hands.wishes(self._board):
            if deed.verb == "filter":
                self._screen.narrow(deed.text)
            elif self._phase is Phase.STOPPING:
                continue  # nothing else is to be done any more
            elif deed.verb == "detach":
                return self._detach()
            else:
                self._hands.begin(client, deed, self._board)
        return False

    def _detach(self) -> bool:
        going_on = "the start goes on" if self._phase is Phase.STARTING else "services go on"
        self._screen.say(f"detached; {going_on}. Back here: harness up · logs: harness logs -f · stop: harness down")
        return True

    # --- where it leads ----------------------------------------------------------------------------------------------

    def _advance(self, client: Client) -> bool:
        """Go to the next phase if it is time; whether all is done."""
        if self._phase is Phase.STARTING:
            self._see_start(client)
        elif self._phase is Phase.STAYING:
            if not self._hands.busy:  # what is being restarted does not run for a moment
                self._see_end(client)
        elif all(stream.ended for stream in self._streams.stops):
            self._see_stopped(client)
            return True
        return False

    def _see_start(self, client: Client) -> None:
        apply = self._streams.apply
        if apply is None or not apply.ended:
            return
        outcome = apply.result
        self._streams.apply = None
        self._screen.outcome(outcome)
        if not self._accepted:
            self._listen(client)
        self._phase = Phase.STAYING
        if outcome["timed_out"]:
            self._stop(client, code=ExitCode.TIMEOUT)

    def _see_end(self, client: Client) -> None:
        """Stop when the service that decides has ended, or when nothing runs any more."""
        decisive = self._wish.exit_code_from
        row = self._board.rows.get(decisive) if decisive else None
        if row is not None and not row.live:
            self._learn(client)
            row = self._board.rows[row.name]
            if not row.live:
                self._screen.say(f"{row.name} has ended ({ending(row.exit) or row.state})")
                self._stop(client, code=exit_code_of_service(row.exit))
        elif not any(row.live for row in self._board.rows.values()):
            self._learn(client)  # the board may be behind
            rows = self._board.rows.values()
            if not any(row.live for row in rows):
                failed = [row.name for row in rows if row.failed]
                self._screen.say("nothing runs any more" + (f"; failed: {', '.join(failed)}" if failed else ""))
                self._stop(client, code=ExitCode.NOT_REACHED if failed else ExitCode.REACHED)

    def _see_stopped(self, client: Client) -> None:
        """The last words of the services, then what came of stopping."""
        logs = self._streams.logs
        until = time.monotonic() + _LAST_WORDS_AT_MOST  # what stays may talk for ever
        while logs is not None and client.wait(logs, timeout=_LAST_WORDS) is not None and not logs.ended:
            self._take(client)
            if time.monotonic() > until:
                break
        try:
            outcomes = [stream.result for stream in self._streams.stops]
        except RemoteError as e:
            if e.kind != "project.unknown":
                raise
            return  # it was told to stop before it had begun
        stays = sorted(set(self._wish.shown) - set(self._wish.started))
        left = [name for name in stays if name in self._board.rows and self._board.rows[name].live]
        self._screen.stopped(outcomes[-1] if outcomes else NOTHING_TO_STOP, left=left)

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, lambda number, _: self._signals.append(number)) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
