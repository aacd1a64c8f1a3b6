"""What `up` in the foreground shows: logs on stdout, changes and outcomes as talk, a panel below where there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from harness_core.cli.board import Board
from harness_core.cli.footer import Footer
from harness_core.cli.live import View
from harness_core.cli.loglines import PATIENCE, LogLines, LogStyle, complaint
from harness_core.cli.output import Output
from harness_core.cli.panel import panel
from harness_core.cli.progress import Beats
from harness_core.cli.recent import Recent
from harness_core.cli.render_error import error_lines
from harness_core.cli.render_events import event_line
from harness_core.cli.render_outcome import outcome_lines, verdict
from harness_core.cli.text import Line, Span, Style, line
from harness_core.contracts.errors import HarnessError

_TELLING = frozenset({"exited", "restart-scheduled", "killed", "note"})
_TELLING_STATES = frozenset({"failed", "blocked", "unhealthy", "lost", "unreachable", "stop-stuck", "completed"})

NOTHING_TO_STOP: Mapping[str, Any] = {"reached": True, "timed_out": False, "services": []}


class Screen:
    """Shows; decides nothing. `gone` once nobody reads it: then it keeps quiet. `live`: it may have a panel, and keys."""

    def __init__(self, output: Output, names: Collection[str]) -> None:
        self.gone = False
        self.live = output.movable and output.stderr.isatty() and not (output.settings.json or output.settings.quiet)
        self._output = output
        self._footer = Footer(output)
        self._panel: Sequence[Line] = ()
        self._beats = Beats(output)
        self._recent = Recent()
        self._width = max((len(name) for name in names), default=0)
        style = LogStyle(prefixed=True, terminal=output.terminal, coloured=output.colours(output.stdout), width=self._width)
        self._lines = LogLines(style, recent=self._recent if self.live else None)

    def logs(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Output of services."""
        for item in items:
            if note := complaint(item):
                self.say(Span("warning: ", Style.CARE), note)
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
                self.say(Span("warning: ", Style.CARE), note)
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

    def outcome_of(self, outcome: Mapping[str, Any]) -> None:
        """What came of something that was asked for by a key."""
        for one in outcome_lines(outcome):
            self.say(*one)

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
        if not self._above(self._output.text((line(*parts),), self._output.stderr)):
            self._safely(lambda: self._output.say(*parts))

    def error(self, error: HarnessError) -> None:
        """Something that did not work, and is no reason to end."""
        for one in error_lines(error):
            self.say(*one)

    def narrow(self, text: str) -> None:
        """Show only logs with this text, and some that were there already; all again without one."""
        hidden = self._recent.hidden
        earlier = self._recent.narrow(text, back=self._footer.height - self._footer.room)
        if text:
            self.say(Span(f"── only '{text}' from here on ──", Style.FAINT))
            self._write(b"".join(earlier))
        else:
            left_out = f"; {hidden} lines were not shown: harness logs" if hidden else ""
            self.say(Span(f"── all logs again{left_out} ──", Style.FAINT))

    def refresh(
        self, board: Board, view: View, *, name: str, choices: Mapping[str, Sequence[str]], keys: bool, stopping: bool
    ) -> None:
        """Bring the panel, or the beats, up to date."""
        if self.gone:
            return
        if not (self.live and self._footer.active):
            self._panel = ()
            self._safely(lambda: self._beats.tell(board, time.monotonic()))
            return
        self._panel = panel(
            board, view, name=name, now=time.monotonic(), moment=datetime.now(UTC), columns=self._footer.columns,
            room=self._footer.room, choices=choices, keys=keys, stopping=stopping,
        )  # fmt: skip
        self._safely(lambda: self._footer.show(self._panel))

    def pause(self) -> None:
        """Make room for somebody else."""
        self._safely(self._footer.clear)

    def forget(self) -> None:
        """Somebody else has had the terminal meanwhile."""
        self._footer.forget()

    def close(self) -> None:
        """Show what is left, and leave the terminal as it was."""
        self._panel = ()
        self._write(self._lines.rest())
        self._safely(self._footer.clear)

    def _json(self, value: Mapping[str, Any]) -> None:
        self._safely(lambda: self._output.json(value))

    def _write(self, data: bytes) -> None:
        if data and not self._above(data.decode("utf-8", "replace")):
            self._safely(lambda: self._output.write_bytes(data))

    def _above(self, text: str) -> bool:
        """Write above the panel, in one go with it, so that nothing flickers; whether there is one."""
        if not (self.live and self._footer.active):
            return False
        self._safely(lambda: self._footer.show(self._panel, above=text))
        return True

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
