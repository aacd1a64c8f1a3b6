"""Which log lines are wanted."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from harness_core.cli import sieve as sieve_module
from harness_core.cli.sieve import LastLines, Sieve


def item(text: str | bytes, *, service: str = "api", stream: str = "out", end: bool = True, run: str = "r1") -> dict[str, Any]:
    body = {"type": "log", "service": service, "run": run, "stream": stream, "end": end}
    if isinstance(text, bytes):
        return {**body, "text": text.decode(errors="replace"), "base64": base64.b64encode(text).decode()}
    return {**body, "text": text}


def passed(sieve: Sieve, *items: dict[str, Any]) -> list[str]:
    return [one["text"] for given in items for one in sieve.take(given)] + [one["text"] for one in sieve.rest()]


def test_where_nothing_is_asked_everything_passes_at_once():
    assert passed(Sieve(), item("a", end=False), item("b")) == ["a", "b"]


def test_a_text_is_literal_and_looked_for_in_whole_lines():
    assert passed(Sieve(grep="a.c"), item("xa", end=False), item(".cx"), item("abc"), item("a.c")) == ["xa", ".cx", "a.c"]


def test_a_text_is_found_in_what_is_no_utf_8():
    assert passed(Sieve(grep="caf"), item(b"caf\xe9")) == ["caf\ufffd"]


def test_pieces_of_several_lines_do_not_mix():
    pieces = [item("x", end=False), item("y", service="db", end=False), item("1", service="db"), item("2")]

    assert passed(Sieve(grep="x2"), *pieces) == ["x", "2"]


def test_what_a_run_left_unfinished_is_judged_by_itself():
    assert passed(Sieve(grep="dying"), item("dying wo", end=False), item("reborn", run="r2")) == ["dying wo"]


def test_an_unfinished_line_waits():
    sieve = Sieve(grep="word")
    assert sieve.take(item("Password: ", end=False)) == []

    assert sieve.rest(older_than=60.0) == []
    assert [one["text"] for one in sieve.rest()] == ["Password: "]


def test_a_line_that_never_ends_is_judged_in_parts(monkeypatch):
    monkeypatch.setattr(sieve_module, "LONGEST", 4)
    sieve = Sieve(grep="34")

    assert sieve.take(item("12", end=False)) == []
    assert [one["text"] for one in sieve.take(item("34", end=False))] == ["12", "34"]
    assert sieve.take(item("56")) == []


@pytest.mark.parametrize(("stream", "texts"), [("out", ["o", "m"]), ("err", ["e", "m"])])
def test_one_stream_can_be_chosen_and_where_they_were_one_it_passes(stream, texts):
    assert passed(Sieve(stream=stream), item("o"), item("e", stream="err"), item("m", stream="mixed")) == texts


def test_the_last_lines_are_those_of_each_service_in_the_order_in_which_they_came():
    last = LastLines(2)
    last.take(item(str(n), service="db" if n % 3 == 0 else "api") for n in range(9))

    assert [one["text"] for one in last.items()] == ["3", "6", "7", "8"]


def test_pieces_count_as_the_line_that_they_make():
    last = LastLines(2)
    last.take([item("1"), item("2a", end=False), item("2b")])
    last.take([item("3a", end=False), item("e", stream="err", end=False), item("3b")])

    assert [one["text"] for one in last.items()] == ["3a", "3b", "e"]


def test_none_is_none():
    last = LastLines(0)
    last.take([item("1"), item("2", end=False)])

    assert last.items() == []
