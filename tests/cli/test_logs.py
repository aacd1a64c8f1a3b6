"""`harness logs` with all its options, against a real daemon."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

CONFIG = """\
version: "1.0"
name: talk
services:
  one:
    type: process
    oneshot: true
    shell: true
    command: |
      for n in 1 2 3 4 5 6 7 8 9 10; do
        echo "one $n"; [ $((n % 5)) = 0 ] && echo "one error $n" >&2
      done; true
  two:
    type: process
    oneshot: true
    dependencies: { one: completed }
    shell: true
    command: "for n in 1 2 3; do echo two error $n; done; printf unfinished"
  live:
    type: process
    shell: true
    command: "n=0; while :; do echo live $((n+=1)); [ $((n % 10)) = 0 ] && echo live error $n >&2; sleep 0.02; done"
"""


@pytest.fixture(scope="module")
def talk(module_harness):
    module_harness.write(CONFIG)
    module_harness.ok("up", "-d")
    return module_harness


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["one", "--tail", "2", "--stream", "out"], ["one 9", "one 10"]),
        (["one", "--grep", "error"], ["one error 5", "one error 10"]),
        (["one", "--grep", "error", "--tail", "1"], ["one error 10"]),
        (["one", "--stream", "err"], ["one error 5", "one error 10"]),
        (["one", "--stream", "err", "--tail", "1"], ["one error 10"]),
        (["one", "--stream", "out", "--grep", "5"], ["one 5"]),
        (["one", "--grep", "nothing has this"], []),
        (["one", "--tail", "0"], []),
        (["one", "--tail", "0", "--grep", "error"], []),
        (["one", "two", "--grep", "error", "--tail", "2"], [
            "one | one error 5", "one | one error 10", "two | two error 2", "two | two error 3",
        ]),
        (["two", "--grep", "unfin"], ["unfinished"]),
        (["two", "--tail", "1"], ["unfinished"]),
        (["one", "--since", "1h", "--until", "1s", "--tail", "1", "--grep", "10"], ["one error 10"]),
        (["one", "--until", "1h"], []),
        (["one", "--until", "1h", "--tail", "5"], []),
        (["one", "--since", "2030-01-01", "--until", "2031-01-01"], []),
    ],
)  # fmt: skip
def test_options_add_up(talk, eventually, options, lines):
    assert eventually(lambda: talk.lines(*options) == lines, what=f"{options}: {talk.lines(*options)}")


def test_until_and_tail_are_the_last_lines_before_that_moment(talk, eventually):
    until = json.loads(eventually(lambda: talk.ok("logs", "live", "--json", "--grep", "live 50").out).splitlines()[0])["at"]
    all_items = [json.loads(line) for line in talk.lines("live", "--json", "--stream", "out")]

    lines = talk.lines("live", "--until", until, "--tail", "3", "--stream", "out")

    moment = datetime.fromisoformat(until)
    before = [item["text"] for item in all_items if datetime.fromisoformat(item["at"]) <= moment]
    assert "live 50" in before
    assert lines == before[-3:]


def test_times_stand_before_each_line(talk):
    texts = talk.lines("one", "-t", "--grep", "error", "--tail", "1")

    moment, text = texts[0].split(" ", 1)
    assert text == "one error 10"
    assert datetime.fromisoformat(moment).tzinfo is not None


def test_json_gets_only_what_was_asked_for(talk):
    items = [json.loads(line) for line in talk.lines("--json", "--grep", "error", "--tail", "1", "--stream", "err", "one", "two")]

    assert [(item["service"], item["stream"], item["text"]) for item in items] == [("one", "err", "one error 10")]


def test_following_goes_on_after_the_last_lines_that_match_without_gap_or_duplicate(talk, eventually):
    eventually(lambda: len(talk.lines("live", "--grep", "error")) >= 3)
    with talk.start("logs", "live", "-f", "--grep", "error", "--tail", "2") as command:
        lines = [command.stdout.readline().decode().strip() for _ in range(5)]
        command.send_signal(signal.SIGINT)
        command.communicate()

    numbers = [int(line.removeprefix("live error ")) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + 50, 10))
    assert command.returncode == 130


def test_following_json_of_one_stream(talk):
    with talk.start("logs", "live", "-f", "--json", "--stream", "err", "--tail", "1") as command:
        items = [json.loads(command.stdout.readline()) for _ in range(3)]
        command.send_signal(signal.SIGINT)
        command.communicate()

    assert {item["stream"] for item in items} == {"err"}


def test_following_until_a_moment_ends_then(talk):
    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()

    result = talk.run("logs", "live", "-f", "--until", soon, "--tail", "1")

    assert result.code == 0
    assert datetime.now(UTC) > datetime.fromisoformat(soon)
    assert result.out


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("text", ["yesterday", "", "25:00", "2024-13-01", "10 parsecs"])
def test_a_time_that_is_none_is_an_error_with_examples(talk, option, text):
    result = talk.run("logs", option, text)

    assert result.code == 2
    assert "10m" in result.err
    assert "2024-05-01T12:00:00" in result.err


def test_a_beginning_after_the_end_is_an_error(talk):
    result = talk.run("logs", "--since", "1m", "--until", "1h")

    assert result.code == 2
    assert "--since" in result.err


def test_an_unknown_service_is_named_with_the_nearest(talk):
    result = talk.run("logs", "oen", "--grep", "x")

    assert result.code == 2
    assert "'oen'" in result.err
    assert "one" in result.err
