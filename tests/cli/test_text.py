from __future__ import annotations

from harness_core.cli.text import Span, Style, ansi, line, name_colour, plain, visible


def test_control_sequences_are_shown_not_obeyed():
    assert visible("\x1b[2J\x1b]0;owned\x07a\rb\x9b1m") == "\\x1b[2J\\x1b]0;owned\\aa\\rb\\x9b1m"


def test_text_that_changes_its_direction_is_shown_too():
    assert visible("a\u202eb") == "a\\u202eb"


def test_tabs_and_letters_of_all_kinds_stay():
    assert visible("a\tü 漢 🙂") == "a\tü 漢 🙂"


def test_plain_and_ansi_differ_only_in_colours():
    text = line("a ", Span("bad", Style.BAD), Span("!", Style.PLAIN))

    assert plain(text) == "a bad!"
    assert ansi(text) == "a \x1b[31mbad\x1b[0m!"


def test_a_name_has_the_same_colour_in_every_run_and_names_differ():
    assert name_colour("api") == name_colour("api")
    assert len({name_colour(name) for name in ("api", "db", "worker", "web", "cache")}) >= 3
