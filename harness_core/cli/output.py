"""Output: data on stdout, talk on stderr, in the form that the other end can take."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from harness_core.cli.fitting import fold
from harness_core.cli.settings import Settings
from harness_core.cli.sheet import Sheet
from harness_core.cli.text import Line, Span, Style, ansi, line, plain


def size_of(stream: TextIO, environ: Mapping[str, str]) -> os.terminal_size:
    """Columns and rows to write in: $COLUMNS and $LINES, else those of the terminal behind the stream, else 80 × 24."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((0, 0))
    return os.terminal_size(
        (_positive(environ.get("COLUMNS")) or size.columns or 80, _positive(environ.get("LINES")) or size.lines or 24)
    )


def _positive(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else None


class Output:
    """Where a command writes to."""

    def __init__(
        self,
        settings: Settings,
        *,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._environ = os.environ if environ is None else environ

    @property
    def terminal(self) -> bool:
        """Whether somebody looks at stdout."""
        return self.stdout.isatty()

    @property
    def movable(self) -> bool:
        """Whether stdout is a terminal whose cursor can be moved."""
        return self.terminal and self._environ.get("TERM", "") not in ("", "dumb")

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._size(self.stdout).columns

    @property
    def height(self) -> int:
        """Rows of the terminal."""
        return self._size(self.stdout).lines

    def colours(self, stream: TextIO) -> bool:
        """Whether to colour what goes to this stream: --no-color, NO_COLOR, FORCE_COLOR, TERM=dumb, then the terminal."""
        if self.settings.no_color or self._environ.get("NO_COLOR"):
            return False
        if self._environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and self._environ.get("TERM", "") not in ("", "dumb")

    def json(self, value: Any) -> None:
        """One JSON object on a line of its own."""
        self.write(json.dumps(value, ensure_ascii=False) + "\n")

    def write(self, text: str) -> None:
        """Text on stdout, as it is; undecodable bytes go out as they came in."""
        self.write_bytes(text.encode("utf-8", "surrogateescape"))

    def write_bytes(self, data: bytes) -> None:
        """Bytes on stdout, now."""
        binary = getattr(self.stdout, "buffer", None)
        if binary is None:
            self.stdout.write(data.decode("utf-8", "replace"))
        else:
            rest = memoryview(data)
            while rest:  # with PYTHONUNBUFFERED a write may take only a part
                rest = rest[binary.write(rest) :]
            binary.flush()

    def line(self, one: Line) -> None:
        """A line on stdout."""
        self.lines((one,))

    def lines(self, many: Iterable[Line]) -> None:
        """Lines on stdout: folded at a terminal's edge, one record a line in a pipe."""
        self.write(self.text(many, self.stdout))

    def sheet(self, sheet: Sheet) -> None:
        """A table on stdout: fitted to a terminal, whole in a pipe."""
        self.lines(sheet.without_empty().fit(self.width).drawn() if self.terminal else sheet.lines())

    def text(self, many: Iterable[Line], stream: TextIO) -> str:
        """What these lines are on this stream."""
        if stream.isatty():
            columns = self._size(stream).columns
            many = [piece for one in many for piece in fold(one, columns)]
        draw = ansi if self.colours(stream) else plain
        return "".join(f"{draw(one)}\n" for one in many)

    def say(self, *parts: str | Span) -> None:
        """Talk: a line on stderr unless --quiet."""
        if not self.settings.quiet:
            self._talk(line(*parts))

    def detail(self, text: str) -> None:
        """Talk for --verbose."""
        if self.settings.verbose:
            self._talk(line(Span(text, Style.FAINT)))

    def warn(self, text: str) -> None:
        """A warning: talk that stands out."""
        self.say(Span("warning: ", Style.CARE), text)

    def error(self, lines: Iterable[Line]) -> None:
        """An error on stderr, also with --quiet."""
        for one in lines:
            self._talk(one)

    def _talk(self, one: Line) -> None:
        text = self.text((one,), self.stderr)
        self.stderr.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        self.stderr.flush()

    def _size(self, stream: TextIO) -> os.terminal_size:
        return size_of(stream, self._environ)
