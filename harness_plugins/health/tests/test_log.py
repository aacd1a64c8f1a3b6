import time

import pytest

from harness_plugin_health.log import LogCheck, first_match


def test_a_matching_line_is_healthy_for_good(run, target_at):
    target = target_at()
    target.lines = [b"starting", b"\x1b[32mready\x1b[0m to serve"]

    health = run(LogCheck().probe("ready", target))

    assert (health.healthy, health.latch, health.detail) == (True, True, "ready to serve")


def test_until_then_it_is_not_healthy(run, target_at):
    target = target_at()
    target.lines = [b"starting"]

    health = run(LogCheck().probe({"pattern": "ready"}, target))

    assert (health.healthy, health.latch, health.detail) == (False, False, "not yet in the output: 'ready'")


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("[INFO] up (1)", "x [INFO] up (1) y", True),
        ("[INFO]", "I", False),
        ("listening on *:80", "listening on *:80", True),
        ("listening on *:80", "now listening on 0.0.0.0:8080", True),
        ("a*b*a", "ab a", True),
        ("a*b*a", "ab", False),
        ("a*a", "a", False),
        ("*", "", True),
        ("worker ? up", "worker é up", True),
        ("worker ? up", "worker 12 up", False),
        ("ready?", "are you ready", False),
        (".+", "xx", False),
    ],
)
def test_star_is_any_text_and_question_mark_any_one_character(pattern, line, found):
    assert (first_match(pattern, [line.encode()]) is not None) is found


def test_invalid_utf8_is_no_trouble():
    assert first_match("a*b", [b"\xff\xfe", b"a\xffb"]) == b"a\xffb"
    assert first_match("b", [b"\xff\xfeb"]) == b"\xff\xfeb"


def test_a_hostile_line_does_not_make_it_backtrack():
    started = time.process_time()

    assert first_match("a*" * 200 + "b", [b"a" * 100_000]) is None
    assert time.process_time() - started < 2


def test_its_description_is_the_pattern():
    assert LogCheck().describe({"pattern": "up *"}) == LogCheck().describe("up *") == "log 'up *'"
