"""What `up` in the foreground shows: logs on stdout, changes and outcomes as talk, a footer where there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from harness_core.cli.board import Board
from harness_core.cli.footer import Footer
from harness_core.cli.loglines import PATIENCE, LogLines, LogStyle, complaint
from harness_core.cli.output import Output
from harness_core.cli.progress import Beats
from harness_core.cli.render_events import event_line
from harness_core.cli.render_outcome import outcome_lines, verdict
from harness_core.cli.text import Span, Style, line

_TELLING = frozenset({"exited", "restart-scheduled", "killed", "note"})
_TELLING_STATES = frozenset({"failed", "blocked", "unhealthy", "lost", "unreachable", "stop-stuck", "completed"})

NOTHING_TO_STOP: Mapping[str, Any] = {"reached": True, "timed_out": False, "services": []}


class Screen:
    """Shows; decides nothing. `gone` once nobody reads it any more: then it keeps quiet."""

    def __init__(self, output: Output, names: Collection[str]) -> None:
        self.gone = False
        self._output = output
        self._footer = Footer(output)
        self._beats = Beats(output)
        self._width = max((len(name) for name in names), default=0)
        self._lines = LogLines(
            LogStyle(
                prefixed=True, terminal=output.terminal, coloured=output.colours(output.stdout), width=self._width,
            )
        )  # fmt: skip

    def logs(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Output of services."""
        for item in items:
            if note := complaint(item):
                self._warn(note)
        if self._output.settings.json:
            for item in items:
                self._json(item)
            return
        taken = [self._lines.take(item) for item in items if item["type"] == "log"]
        self._write(b"".join((*taken, self._lines.rest(older_than=PATIENCE))))

    def events(self, items: Sequence[Mapping[str, Any]]) -> None:
        """What happened."""
        for item in items:
            if note := complaint(item):
                self._warn(note)
            if self._output.settings.json:
                self._json(item)
            elif item["type"] == "event" and (self._output.settings.verbose or _tells(item["event"])):
                self.say(*event_line(item["event"], width=self._width))

    def outcome(self, outcome: Mapping[str, Any]) -> None:
        """What the start came to: every service with its addresses or its cause."""
        if self._output.settings.json:
            self._json({"type": "outcome", **outcome})
            return
        for one in outcome_lines(outcome, only_failures=self._output.settings.quiet):
            self.say(*one)
        self.say(*verdict(outcome))

    def stopped(self, outcome: Mapping[str, Any], *, left: Sequence[str]) -> None:
        """What the stop came to; `left` ran before and still runs."""
        if self._output.settings.json:
            self._json({"type": "stopped", **outcome})
            return
        if outcome["reached"]:
            if outcome["services"] or not left:
                self.say("stopped")
        else:
            for one in outcome_lines(outcome, only_failures=True):
                self.say(*one)
        if left:
            self.say(f"left running, as before: {', '.join(left)}")

    def say(self, *parts: str | Span) -> None:
        """Talk."""
        if not self.gone:
            self._above(lambda: self._output.say(*parts))

    def refresh(self, board: Board, *, stopping: bool) -> None:
        """Bring the footer, or the beats, up to date."""
        if self.gone:
            return
        if not self._footer.active:
            self._safely(lambda: self._beats.tell(board, time.monotonic()))
            return
        hint = "Ctrl-C again kills at once" if stopping else "Ctrl-C stops"
        lines = board.lines(time.monotonic(), room=self._footer.room)
        lines[-1] = line(*lines[-1], Span(f"  {hint}", Style.FAINT))
        self._safely(lambda: self._footer.show(lines))

    def pause(self) -> None:
        """Make room for somebody else's talk."""
        self._safely(self._footer.clear)

    def close(self) -> None:
        """Show what is left, and leave the terminal as it was."""
        self._write(self._lines.rest())
        self._safely(self._footer.clear)

    def _warn(self, text: str) -> None:
        self._above(lambda: self._output.warn(text))

    def _json(self, value: Mapping[str, Any]) -> None:
        self._above(lambda: self._output.json(value))

    def _write(self, data: bytes) -> None:
        if data:
            self._above(lambda: self._output.write_bytes(data))

    def _above(self, write: Callable[[], None]) -> None:
        """Write above the footer."""
        self._safely(self._footer.clear)
        self._safely(write)

    def _safely(self, write: Callable[[], None]) -> None:
        """Write, if somebody still reads: a closed pipe or terminal ends the talk, not the orderly stop."""
        if self.gone:
            return
        try:
            write()
        except OSError:
            self.gone = True


def _tells(event: Mapping[str, Any]) -> bool:
    """Whether a person wants to see this without asking for everything."""
    if event["kind"] == "exited":
        return not event["intended"] and event["exit"]["code"] != 0
    return event["kind"] in _TELLING or (event["kind"] == "state" and event["new"] in _TELLING_STATES)
