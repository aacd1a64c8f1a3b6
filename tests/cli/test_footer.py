"""Lines at the bottom of a terminal, seen through a small terminal of our own."""

from __future__ import annotations

import io
import os
import re

import pytest

from harness_core.cli import footer as footer_module
from harness_core.cli.footer import Footer
from harness_core.cli.output import Output
from harness_core.cli.settings import Settings
from harness_core.cli.text import line


class FakeTerminal(io.StringIO):
    """Understands what the footer writes: text, newlines, carriage returns, cursor up, clear to the end; folds at its width."""

    def __init__(self) -> None:
        super().__init__()
        self.columns, self.rows = 40, 20
        self.screen: list[str] = [""]
        self.row, self.column = 0, 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for piece in re.findall(r"\x1b\[\d*[A-Za-z]|.|\n|\r", text):
            self._obey(piece)
        return len(text)

    def resize(self, columns: int) -> None:
        """As real terminals do it: what stands there is folded."""
        folded = [part for text in self.screen for part in (re.findall(f".{{1,{columns}}}", text) or [""])]
        self.row, self.screen, self.columns = len(folded) - 1, folded, columns

    def _obey(self, piece: str) -> None:
        if piece == "\r":
            self.column = 0
        elif piece == "\n":
            self.row, self.column = self.row + 1, 0
            self.screen += [""] * (self.row + 1 - len(self.screen))
        elif piece == "\x1b[K":
            self.screen[self.row] = self.screen[self.row][: self.column]
        elif piece == "\x1b[J":
            self.screen = [*self.screen[: self.row], self.screen[self.row][: self.column]]
        elif piece.endswith("A"):
            self.row = max(0, self.row - int(piece[2:-1]))
        elif not piece.startswith("\x1b"):
            self.screen[self.row] = self.screen[self.row][: self.column].ljust(self.column) + piece
            self.column += 1


@pytest.fixture
def terminal(monkeypatch):
    terminal = FakeTerminal()
    monkeypatch.setattr(footer_module, "size_of", lambda *_: os.terminal_size((terminal.columns, terminal.rows)))
    return terminal


def footer_on(terminal: io.StringIO, **settings: bool) -> Footer:
    environ = {"TERM": "xterm"}
    return Footer(Output(Settings(no_color=True, **settings), stderr=terminal, environ=environ), environ=environ)


def test_lines_replace_each_other_in_place(terminal):
    footer = footer_on(terminal)

    footer.show([line("one"), line("two")])
    footer.show([line("three")])

    assert terminal.screen == ["three"]


def test_what_is_written_after_clearing_stands_above(terminal):
    footer = footer_on(terminal)

    footer.show([line("waiting"), line("counts")])
    footer.clear()
    terminal.write("a log line\n")
    footer.show([line("waiting"), line("counts")])

    assert terminal.screen == ["a log line", "waiting", "counts"]


def test_a_terminal_that_became_narrower_keeps_no_remains(terminal):
    footer = footer_on(terminal)
    terminal.write("before\n")
    footer.show([line("x" * 39), line("y" * 30)])

    terminal.resize(20)
    footer.show([line("z")])

    assert terminal.screen == ["before", "z"]


def test_nothing_is_wider_than_the_terminal(terminal):
    footer_on(terminal).show([line("x" * 100)])

    assert terminal.screen == ["x" * 38 + "…"]


def test_nothing_is_higher_than_the_terminal(terminal):
    terminal.rows = 5
    footer_on(terminal).show([line(str(n)) for n in range(50)])

    assert terminal.screen == ["47", "48", "49"]


@pytest.mark.parametrize("settings", [{"quiet": True}])
def test_quiet_shows_none(terminal, settings):
    footer_on(terminal, **settings).show([line("x")])

    assert terminal.screen == [""]


def test_a_pipe_and_a_dumb_terminal_get_none(terminal):
    pipe = io.StringIO()
    footer_on(pipe).show([line("x")])
    Footer(Output(Settings(), stderr=terminal), environ={"TERM": "dumb"}).show([line("x")])

    assert pipe.getvalue() == ""
    assert terminal.screen == [""]


def test_the_cursor_is_never_hidden_and_no_mode_entered():
    class Recorder(FakeTerminal):
        written = ""

        def write(self, text: str) -> int:
            self.written += text
            return len(text)

    recorder = Recorder()
    footer = footer_on(recorder)
    footer.show([line("a"), line("b")])
    footer.clear()

    assert "\x1b[?" not in recorder.written
