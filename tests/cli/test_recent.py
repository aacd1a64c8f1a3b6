"""The filter of `harness up`."""

from __future__ import annotations

from harness_core.cli.recent import Recent


def recent(*lines: tuple[str, str]) -> Recent:
    made = Recent()
    for service, text in lines:
        made.take(service, text.encode(), f"{service} | {text}\n".encode())
    return made


def test_without_a_filter_everything_passes():
    assert Recent().take("api", b"x", b"api | x\n") == b"api | x\n"


def test_a_filter_lets_through_a_service_or_a_text_and_counts_the_rest():
    seen = recent()
    seen.narrow("api", back=5)

    assert seen.take("api-2", b"x", b"1") == b"1"
    assert seen.take("db", b"asked by api", b"2") == b"2"
    assert seen.take("db", b"x", b"3") == b""
    assert seen.hidden == 1


def test_small_letters_mean_both_and_a_capital_means_itself():
    seen = recent()
    seen.narrow("error", back=0)
    assert seen.take("a", b"An ERROR", b"1") == b"1"

    seen.narrow("ERR", back=0)
    assert seen.take("a", b"an error", b"2") == b""


def test_what_was_there_already_is_given_again_the_last_ones():
    seen = recent(("api", "1"), ("db", "2"), ("api", "3"), ("api", "4"))

    assert seen.narrow("api", back=2) == [b"api | 3\n", b"api | 4\n"]
    assert seen.narrow("api", back=0) == []


def test_taking_the_filter_away_lets_everything_through_again():
    seen = recent(("api", "1"))
    seen.narrow("db", back=5)

    assert seen.narrow("", back=5) == []
    assert seen.take("api", b"x", b"1") == b"1"


def test_lines_that_are_no_text_can_be_asked_for_too():
    seen = recent()
    seen.narrow("caf", back=0)

    assert seen.take("a", b"caf\xe9", b"1") == b"1"
