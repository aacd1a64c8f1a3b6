"""What the keys of `harness up` mean, without a terminal."""

from __future__ import annotations

import pytest

from harness_core.cli.live import ALL, Deed, Mode, View, press

CHOICES = {"stop": ["api", "api-2", "db"], "restart": ["api", "api-2", "db", "worker"]}


def typed(*keys: str, view: View | None = None) -> tuple[View, list[Deed]]:
    view, deeds = view or View(), []
    for key in keys:
        view, deed = press(view, key, CHOICES)
        deeds += [deed] if deed else []
    return view, deeds


def test_q_detaches():
    assert typed("q")[1] == [Deed("detach")]


@pytest.mark.parametrize(("key", "verb"), [("s", "stop"), ("r", "restart")])
def test_a_verb_asks_for_the_service_which_is_typed_or_chosen(key, verb):
    assert typed(key)[0].mode is Mode.PICK
    assert typed(key, "d", "enter") == (View(verb=verb, typed="d"), [Deed(verb, ("db",))])
    assert typed(key, "down", "enter")[1] == [Deed(verb, ("api-2",))]
    assert typed(key, "up", "enter")[1] == [Deed(verb, None)]


def test_all_of_them_comes_last_and_is_found_by_its_name():
    assert View().matches(["a", "b"]) == ["a", "b", ALL]
    assert View().matches(["a"]) == ["a"]
    assert typed("s", "a", "l", "l", "enter")[1] == [Deed("stop", None)]


def test_names_that_begin_so_come_before_those_in_which_it_stands():
    assert View(typed="a").matches(["db-a", "api"]) == ["api", ALL, "db-a"]


def test_tab_completes_as_far_as_it_is_clear_and_then_goes_on_to_the_next():
    assert typed("s", "d", "tab")[0].typed == "db"
    assert typed("r", "a", "p", "tab")[0].typed == "api"
    assert typed("r", "a", "p", "tab", "tab", "enter")[1] == [Deed("restart", ("api-2",))]


def test_what_matches_nothing_is_not_done_and_can_be_corrected():
    view, deeds = typed("s", "x", "enter")
    assert (view.mode, deeds) == (Mode.PICK, [])

    assert typed("backspace", "d", "enter", view=view)[1] == [Deed("stop", ("db",))]
    assert typed("kill", "d", "enter", view=view)[1] == [Deed("stop", ("db",))]


@pytest.mark.parametrize("keys", ["s escape", "s d escape", "s backspace", "s d backspace backspace"])
def test_a_prompt_can_be_left_without_doing_anything(keys):
    view, deeds = typed(*keys.split())

    assert (view.mode, deeds) == (Mode.LOOK, [])


def test_letters_that_are_keys_are_letters_in_a_prompt():
    assert typed("s", "q", "r", "?")[0].typed == "qr?"
    assert typed("/", "q", "/")[0].typed == "q/"


def test_where_nothing_can_be_stopped_nothing_is_asked():
    assert press(View(), "s", {"stop": []}) == (View(), None)


def test_a_filter_is_typed_and_taken_away_by_escape():
    view, deeds = typed("/", "d", "b", "enter")
    assert (view, deeds) == (View(filter="db"), [Deed("filter", text="db")])

    assert typed("escape", view=view) == (View(), [Deed("filter")])
    assert typed("/", "escape", view=view) == (View(), [Deed("filter")])
    assert typed("/", "enter", view=view) == (view, [])
    assert typed("/", "kill", "backspace", view=view) == (View(), [Deed("filter")])


def test_help_stays_until_any_key_which_does_nothing_else():
    assert typed("?")[0].mode is Mode.HELP
    assert typed("?", "q") == (View(), [])


def test_a_question_is_answered_by_yes_alone():
    deed = Deed("stop", ("db",), force=True)
    asked = View().asking("api depends on db. Stop anyway?", deed)

    assert typed("y", view=asked)[1] == [deed]
    for key in ("n", "enter", "escape", "q"):
        assert typed(key, view=asked)[1] == []
        assert typed(key, view=asked)[0].mode is Mode.LOOK


@pytest.mark.parametrize("key", ["x", "enter", "tab", "up", "escape", "é"])
def test_other_keys_do_nothing(key):
    assert typed(key) == (View(), [])
