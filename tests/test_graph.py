"""The dependency graph, by examples and by properties."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness_core.graph import closure, cycle, order, reverse

names = st.sampled_from("abcdef")
graphs = st.dictionaries(names, st.sets(names))


def test_each_name_comes_after_what_it_needs_and_equal_ones_by_alphabet() -> None:
    assert order({"web": {"api"}, "api": {"db", "cache"}, "db": set(), "cache": set()}) == ["cache", "db", "api", "web"]


def test_a_cycle_is_told_from_its_first_name_and_what_leads_into_it_is_not() -> None:
    assert cycle({"z": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"a"}}) == ["a", "a"]
    assert cycle({"a": {"b"}, "b": set()}) is None


def test_closure_and_reverse_ignore_names_that_do_not_exist() -> None:
    graph = {"a": {"b", "ghost"}, "b": set(), "c": {"b"}}

    assert closure(graph, ["a", "ghost"]) == {"a", "b"}
    assert reverse(graph) == {"a": set(), "b": {"a", "c"}, "c": set()}


@given(graphs)
def test_an_order_is_whole_exactly_when_there_is_no_cycle(graph: dict[str, set[str]]) -> None:
    ordered = order(graph)

    for position, name in enumerate(ordered):
        assert {need for need in graph[name] if need in graph} <= set(ordered[:position])
    assert (set(ordered) == set(graph)) == (cycle(graph) is None)


@given(graphs)
def test_a_cycle_is_one(graph: dict[str, set[str]]) -> None:
    found = cycle(graph)

    if found is not None:
        assert found[0] == found[-1] == min(found)
        assert len(set(found)) == len(found) - 1
        for name, following in pairwise(found):
            assert following in graph[name]


@given(graphs, st.sets(names))
def test_a_closure_needs_nothing_outside_itself(graph: dict[str, set[str]], wanted: set[str]) -> None:
    found = closure(graph, wanted)

    assert wanted & set(graph) <= found <= set(graph)
    for name in found:
        assert {need for need in graph[name] if need in graph} <= found
