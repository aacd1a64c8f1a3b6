"""Footer: a few lines at the bottom of a terminal that are redrawn in place, below everything else.

What is written above them scrolls away as ever, so scrolling back and copying work. It hides no cursor and enters no mode, so
there is nothing to restore, however the command ends.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

from harness_core.cli.fitting import cut
from harness_core.cli.keyboard import in_foreground
from harness_core.cli.output import Output, size_of
from harness_core.cli.text import Line, ansi, plain, width

_ERASE_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"


class Footer:
    """Lines that stay at the bottom of stderr, or `stream`; none where that is no terminal, in the background, with --quiet."""

    def __init__(self, output: Output, *, stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._stream = output.stderr if stream is None else stream
        self._environ = os.environ if environ is None else environ
        self._coloured = output.colours(self._stream)
        self._possible = (
            self._stream.isatty() and self._environ.get("TERM", "") not in ("", "dumb") and not output.settings.quiet
        )
        self._drawn: list[int] = []
        self._shown: tuple[Sequence[Line], os.terminal_size] | None = None

    @property
    def active(self) -> bool:
        """Whether lines can be shown just now."""
        return self._possible and in_foreground(self._stream)

    @property
    def columns(self) -> int:
        """How wide a line may be: not the whole terminal, at whose edge the cursor would be nowhere."""
        return self._size().columns - 1

    @property
    def room(self) -> int:
        """How many lines may stand here and leave most of the terminal to the rest."""
        return max(2, min(self._size().lines // 2, 12))

    @property
    def height(self) -> int:
        """How many lines may stand here at most."""
        return max(1, self._size().lines - 2)

    def show(self, lines: Sequence[Line], *, above: str = "") -> None:
        """Replace what stands there by these lines, as many as fit, after writing `above` where they begin."""
        size = self._size()
        if not self.active or (self._drawn and not above and self._shown == (lines, size)):
            return
        self._shown = (list(lines), size)
        shown = [cut(one, self.columns) for one in lines[-self.height :]]
        texts = [ansi(one) if self._coloured else plain(one) for one in shown]
        if above:
            self._write(self._start() + _ERASE_BELOW + above + "\n".join(texts))
        else:
            # Written over, not erased first: nothing flickers.
            self._write(self._start() + "\n".join(text + _ERASE_LINE for text in texts) + _ERASE_BELOW)
        self._drawn = [width(one) for one in shown]

    def clear(self) -> None:
        """Take the lines away, before something else is written."""
        if self._drawn:
            if self.active:
                self._write(self._start() + _ERASE_BELOW)
            self._drawn = []

    def leave(self) -> None:
        """Let the lines stand where they are, for what follows to stand below."""
        if self._drawn:
            self._write("\n")
            self._drawn = []

    def forget(self) -> None:
        """Others have written here meanwhile: begin anew, where the cursor stands."""
        self._drawn = []

    def _start(self) -> str:
        """To where the lines begin."""
        if not self._drawn:
            return ""
        # A terminal that became narrower has folded our lines: count them as they stand now.
        columns = max(1, self._real_columns())
        rows = sum(max(1, -(-length // columns)) for length in self._drawn)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _size(self) -> os.terminal_size:
        """The room: what is asked for, but never more than there is, for lines that fold could not be found again."""
        size, real = size_of(self._stream, self._environ), size_of(self._stream, {})
        return os.terminal_size((min(size.columns, real.columns), min(size.lines, real.lines)))

    def _real_columns(self) -> int:
        return size_of(self._stream, {}).columns
