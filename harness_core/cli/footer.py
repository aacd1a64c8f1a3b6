"""Footer: a few lines at the bottom of a terminal that are redrawn in place, below everything else.

It hides no cursor and enters no mode, so there is nothing to restore, however the command ends.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from harness_core.cli.output import Output, size_of
from harness_core.cli.sheet import cut
from harness_core.cli.text import Line, ansi, plain


class Footer:
    """Lines that stay at the bottom; does nothing where stderr is no terminal, and with --quiet."""

    def __init__(self, output: Output, *, environ: Mapping[str, str] | None = None) -> None:
        self._stream = output.stderr
        self._coloured = output.colours(self._stream)
        term = (os.environ if environ is None else environ).get("TERM", "")
        self.active = self._stream.isatty() and term not in ("", "dumb") and not output.settings.quiet
        self._drawn: list[int] = []
        self._shown: Sequence[Line] = ()

    @property
    def room(self) -> int:
        """How many lines may stand here and leave most of the terminal to the rest."""
        return max(2, min(self._size().lines // 2, 12))

    def show(self, lines: Sequence[Line]) -> None:
        """Replace what stands there by these lines; what does not fit the height is left out."""
        if not self.active or (self._drawn and lines == self._shown):
            return
        self._shown = list(lines)
        size = self._size()
        room = max(1, size.lines - 2)
        shown = [cut(one, size.columns - 1) for one in lines[-room:]]
        text = "\n".join(ansi(one) if self._coloured else plain(one) for one in shown)
        self._write(self._erasure() + text)
        self._drawn = [len(plain(one)) for one in shown]

    def clear(self) -> None:
        """Take the lines away, before something else is written."""
        if self._drawn:
            self._write(self._erasure())
            self._drawn = []

    def _erasure(self) -> str:
        if not self._drawn:
            return ""
        # A terminal that became narrower has folded our lines: count them as they stand now.
        columns = max(1, self._size().columns)
        rows = sum(max(1, -(-length // columns)) for length in self._drawn)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _size(self) -> os.terminal_size:
        return size_of(self._stream)
