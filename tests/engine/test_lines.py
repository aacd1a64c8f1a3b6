"""Whole lines out of chunks, and positions from which reading goes on without gap or duplicate."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_core.contracts.output import Cursor, Output, Stream
from harness_core.engine.lines import PIECE, LineAssembler, Position

AT = datetime(2030, 1, 1, tzinfo=UTC)


def chunks(*parts: tuple[str, bytes]) -> list[Output]:
    return [Output(Cursor(str(n)), AT, Stream(stream), data) for n, (stream, data) in enumerate(parts, 1)]


def assemble(parts: Sequence[Output], start: Position | None = None) -> list[dict[str, Any]]:
    lines = LineAssembler("api", "r1", start)
    after = int(start.cursor) if start and start.cursor else 0
    items = [item for part in parts if int(part.cursor) > after for item in lines.feed(part)]
    return items + list(lines.flush())


def bytes_of(items: Sequence[dict[str, Any]], stream: str) -> bytes:
    return b"".join(
        (base64.b64decode(i["base64"]) if "base64" in i else i["text"].encode()) + (b"\n" if i["end"] else b"")
        for i in items
        if i["stream"] == stream
    )


def test_lines_of_two_streams_do_not_mix() -> None:
    items = assemble(chunks(("out", b"he"), ("err", b"warn\n"), ("out", b"llo\nrest")))

    assert [(i["stream"], i["text"], i["end"]) for i in items] == [
        ("err", "warn", True), ("out", "hello", True), ("out", "rest", False),
    ]  # fmt: skip


def test_a_huge_line_comes_in_pieces_of_bounded_size() -> None:
    items = assemble(chunks(("out", b"x" * (PIECE * 2)), ("out", b"yz\n")))

    assert [len(i["text"]) for i in items] == [PIECE, PIECE, 2]
    assert [i["end"] for i in items] == [False, False, True]


def test_what_is_not_text_comes_also_as_bytes() -> None:
    [item] = assemble(chunks(("out", b"\xff\x00\n")))

    assert base64.b64decode(item["base64"]) == b"\xff\x00"
    assert item["text"] == "\ufffd\x00"


def test_a_gap_is_told_and_lines_do_not_grow_over_it() -> None:
    first, second = chunks(("out", b"half"), ("out", b"other\n"))

    items = assemble([first, Output(second.cursor, AT, second.stream, second.data, lost=17)])

    assert [(i["text"], i["end"], i.get("lost")) for i in items] == [
        ("half", False, None), ("", True, 17), ("other", True, None),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "r1", "r1 2 3 4", "r1 2 out", "r1 2 out=x", "r1 2 side=3"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is turned into BadCursor
        Position.parse(text)


pieces = st.lists(st.sampled_from([b"a", b"b", b"\n", b"\xc3"]), min_size=1, max_size=8).map(b"".join)
parts = st.lists(st.tuples(st.sampled_from(["out", "err"]), pieces), max_size=12)


@given(parts)
def test_nothing_is_lost_or_added_however_output_is_cut(written: list[tuple[str, bytes]]) -> None:
    items = assemble(chunks(*written))

    for stream in ("out", "err"):
        assert bytes_of(items, stream) == b"".join(data for name, data in written if name == stream)


@given(parts, st.data())
def test_reading_goes_on_at_every_cursor_without_gap_or_duplicate(written: list[tuple[str, bytes]], data: Any) -> None:
    output = chunks(*written)
    items = assemble(output)
    if not items:
        return
    cut = data.draw(st.integers(0, len(items) - 1))

    rest = assemble(output, Position.parse(items[cut]["cursor"]))

    for stream in ("out", "err"):
        assert bytes_of(items[: cut + 1], stream) + bytes_of(rest, stream) == bytes_of(items, stream)
    if rest:
        again = data.draw(st.integers(0, len(rest) - 1))
        last = assemble(output, Position.parse(rest[again]["cursor"]))
        for stream in ("out", "err"):
            assert bytes_of(rest[: again + 1], stream) + bytes_of(last, stream) == bytes_of(rest, stream)


@given(parts, st.data())
def test_reading_goes_on_also_after_pauses_that_gave_out_unfinished_lines(written: list[tuple[str, bytes]], data: Any) -> None:
    output = chunks(*written)
    lines = LineAssembler("api", "r1")
    got: list[dict[str, Any]] = []
    for part in output:
        got += lines.feed(part)
        if data.draw(st.booleans()):
            got += lines.flush()
    if not got:
        return
    cut = data.draw(st.integers(0, len(got) - 1))

    rest = assemble(output, Position.parse(got[cut]["cursor"]))

    for stream in ("out", "err"):
        whole = b"".join(d for name, d in written if name == stream)
        assert bytes_of(got[: cut + 1], stream) + bytes_of(rest, stream) == whole
