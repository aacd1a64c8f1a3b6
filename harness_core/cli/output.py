"""Output: data on stdout, talk on stderr, in the form that the other end can take."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from harness_core.cli.settings import Settings
from harness_core.cli.sheet import Sheet
from harness_core.cli.text import Line, Span, Style, ansi, line, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def size_of(stream: TextIO) -> os.terminal_size:
    """Columns and rows of the terminal behind a stream; 80 × 24 where it does not say."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((0, 0))
    return os.terminal_size((size.columns or 80, size.lines or 24))


class Output:
    """Where a command writes to; rich is imported only to draw on a terminal."""

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
        return self._size().columns

    @property
    def height(self) -> int:
        """Rows of the terminal."""
        return self._size().lines

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
        """A line on stdout, never folded."""
        self.write((ansi(one) if self.colours(self.stdout) else plain(one)) + "\n")

    def lines(self, many: Iterable[Line]) -> None:
        """Lines on stdout: drawn on a terminal, one record a line in a pipe."""
        if self.terminal:
            from harness_core.cli import render

            self.draw(lambda width: render.lines(many))
        else:
            for one in many:
                self.line(one)

    def sheet(self, sheet: Sheet) -> None:
        """A table on stdout: fitted to a terminal, whole in a pipe."""
        if self.terminal:
            from harness_core.cli import render

            self.draw(lambda width: render.table(sheet, width=width))
        else:
            for one in sheet.lines():
                self.line(one)

    def draw(self, renderable: Callable[[int], RenderableType]) -> None:
        """Something drawn at the terminal's width."""
        self.write(self.drawn(renderable))

    def drawn(self, renderable: Callable[[int], RenderableType]) -> str:
        """What `draw` would write."""
        console = self._console()
        with console.capture() as capture:
            console.print(renderable(console.width), highlight=False)
        return capture.get()

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
        text = ansi(one) if self.colours(self.stderr) else plain(one)
        self.stderr.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") + "\n")
        self.stderr.flush()

    def _size(self) -> os.terminal_size:
        return size_of(self.stdout)

    def _console(self) -> Console:
        from rich.console import Console

        return Console(
            file=self.stdout,
            width=self.width,
            force_terminal=self.colours(self.stdout),
            no_color=not self.colours(self.stdout),
            color_system="standard" if self.colours(self.stdout) else None,
            legacy_windows=False,
            soft_wrap=False,
            emoji=False,
            markup=False,
        )
