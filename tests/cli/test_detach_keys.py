from __future__ import annotations

import pytest

from harness_core.cli.detach_keys import DEFAULT, DetachKeys, in_words, parse


@pytest.mark.parametrize(
    ("written", "keys"),
    [(DEFAULT, b"\x10\x11"), ("ctrl-x,d", b"\x18d"), ("q", b"q"), ("CTRL-A, CTRL-]", b"\x01\x1d"), ("ctrl-@", b"\0")],
)
def test_keys_are_written_as_elsewhere(written, keys):
    assert parse(written) == keys


@pytest.mark.parametrize("written", ["", "ctrl-", "ctrl-1", "alt-x", "ab", "é", "ctrl-p,,ctrl-q"])
def test_what_is_no_key_is_said(written):
    with pytest.raises(ValueError, match="is no key"):
        parse(written)


@pytest.mark.parametrize(
    ("pieces", "sent", "gone"),
    [
        ([b"hello"], b"hello", False),
        ([b"ab\x10\x11cd"], b"ab", True),
        ([b"a\x10", b"\x11"], b"a", True),
        ([b"a\x10", b"b\x11"], b"a\x10b\x11", False),
        ([b"\x10", b"\x10", b"\x11"], b"\x10", True),
        ([b"a\x10"], b"a", False),
    ],
)
def test_their_beginning_is_held_until_it_is_clear(pieces, sent, gone):
    keys = DetachKeys(b"\x10\x11")

    answers = [keys.feed(piece) for piece in pieces]

    assert (b"".join(data for data, _ in answers), answers[-1][1]) == (sent, gone)


def test_they_are_told_in_words():
    assert in_words("ctrl-p,ctrl-q") == "Ctrl-P Ctrl-Q"
    assert in_words("ctrl-x,d") == "Ctrl-X d"
