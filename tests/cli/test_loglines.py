"""Whole lines, exact bytes, and nothing that takes over a terminal."""

from __future__ import annotations

import base64
from typing import Any

from harness_core.cli import loglines
from harness_core.cli.loglines import LogLines, LogStyle, complaint


def item(text: str | bytes, *, service: str = "api", stream: str = "out", end: bool = True, **more: Any) -> dict[str, Any]:
    body = {
        "type": "log",
        "service": service,
        "run": "r1",
        "at": "2030-01-01T12:00:00+00:00",
        "stream": stream,
        "end": end,
        "cursor": "c",
    }
    if isinstance(text, bytes):
        body["base64"], text = base64.b64encode(text).decode(), text.decode(errors="replace")
    return {**body, "text": text, **more}


def shown(style: LogStyle, *items: dict[str, Any]) -> bytes:
    lines = LogLines(style)
    return b"".join(map(lines.take, items)) + lines.rest()


def test_one_service_in_a_pipe_comes_byte_by_byte():
    data = shown(
        LogStyle(prefixed=False),
        item(b"caf\xe9 \xff"),
        item("\x1b[31mred"),
        item("half", end=False),
        item(" whole"),
        item("no end", end=False),
    )

    assert data == b"caf\xe9 \xff\n\x1b[31mred\nhalf whole\nno end"


def test_several_services_never_mix_within_a_line():
    data = shown(
        LogStyle(prefixed=True),
        item("a1 ", end=False),
        item("b1", service="db"),
        item("a2 ", end=False),
        item("err", stream="err"),
        item("a3"),
    )

    assert data.decode().splitlines() == ["db | b1", "api | err", "api | a1 a2 a3"]


def test_invalid_utf_8_survives_the_prefix():
    assert shown(LogStyle(prefixed=True), item(b"caf\xe9")) == b"api | caf\xe9\n"


def test_an_unfinished_line_is_shown_at_the_end():
    assert shown(LogStyle(prefixed=True), item("Password: ", end=False)) == b"api | Password: \n"


def test_what_a_run_left_unfinished_stands_before_the_next_run():
    data = shown(LogStyle(prefixed=True), item("dying wo", end=False), item("reborn", run="r2"))

    assert data == b"api | dying wo\napi | reborn\n"


def test_an_unfinished_line_is_not_shown_before_its_time():
    lines = LogLines(LogStyle(prefixed=True))
    lines.take(item("Password: ", end=False))

    assert lines.rest(older_than=60.0) == b""
    assert lines.rest() == b"api | Password: \n"


def test_a_line_that_never_ends_is_shown_in_parts(monkeypatch):
    monkeypatch.setattr(loglines, "LONGEST", 10)
    lines = LogLines(LogStyle(prefixed=True))

    assert lines.take(item("123456", end=False)) == b""
    assert lines.take(item("7890", end=False)) == b"api | 1234567890\n"
    assert lines.take(item("!")) == b"api | !\n"


def test_a_terminal_sees_control_sequences_as_text():
    style = LogStyle(prefixed=False, terminal=True)

    assert shown(style, item("\x1b[2Jhello\r")) == b"\\x1b[2Jhello\n"
    assert shown(style, item(b"\xff\x1b]0;x\x07")) == "\ufffd\\x1b]0;x\\a\n".encode()


def test_raw_lets_them_through_and_ends_their_colours():
    assert shown(LogStyle(prefixed=False, terminal=True, raw=True), item("\x1b[31mred")) == b"\x1b[31mred\x1b[0m\n"


def test_names_are_aligned_and_coloured_on_a_terminal():
    data = shown(LogStyle(prefixed=True, terminal=True, coloured=True, width=6), item("x"))

    assert data.startswith(b"\x1b[")
    assert b"api    |" in data


def test_times_are_short_for_people_and_whole_for_programs():
    assert shown(LogStyle(prefixed=False, timestamps=True), item("x")) == b"2030-01-01T12:00:00+00:00 x\n"
    assert len(shown(LogStyle(prefixed=False, timestamps=True, terminal=True), item("x"))) == len(b"12:00:00 x\n")


def test_whole_lines_end_though_their_service_has_not_ended_them():
    assert shown(LogStyle(prefixed=False, whole=True), item("xa", end=False), item("b"), item("c", end=False)) == b"xab\nc\n"


def test_what_is_missing_is_said():
    assert complaint(item("x", lost=17)) == "api: 17 bytes of its output are missing here"
    assert complaint({"type": "lagged", "from": 3, "to": 5}) == "this reader was too slow: 3 items are missing here"
    assert complaint(item("x")) is None
