"""The dependency graph: order, closure, cycles. Pure functions over `{name: names it depends on}`."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping

Graph = Mapping[str, Collection[str]]


def order(graph: Graph) -> list[str]:
    """Names, each after everything it depends on; equal ones alphabetical. Names of a cycle are left out."""
    # Alphabetical among equals so that two runs print the same plan.
    waiting = {name: sum(1 for d in set(needs) if d in graph) for name, needs in graph.items()}
    wanted_by = reverse(graph)
    ready = [name for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    done: list[str] = []
    while ready:
        name = heapq.heappop(ready)
        done.append(name)
        for dependent in wanted_by[name]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                heapq.heappush(ready, dependent)
    return done


def reverse(graph: Graph) -> dict[str, set[str]]:
    """`{name: names that depend on it}`."""
    turned: dict[str, set[str]] = {name: set() for name in graph}
    for name, needs in graph.items():
        for needed in needs:
            if needed in turned:
                turned[needed].add(name)
    return turned


def closure(graph: Graph, names: Iterable[str]) -> set[str]:
    """The names and all that they depend on, directly or not."""
    found: set[str] = set()
    todo = [name for name in names if name in graph]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(needed for needed in graph[name] if needed in graph)
    return found


def cycle(graph: Graph) -> list[str] | None:
    """One cycle as `[a, b, a]`, starting at its alphabetically first name; None if there is none."""
    left = sorted(set(graph) - set(order(graph)))
    if not left:
        return None
    rest = {name: sorted(n for n in graph[name] if n in left) for name in left}
    # What is left may also merely lead into a cycle: walk until a name comes back.
    path: list[str] = []
    name = left[0]
    while name not in path:
        path.append(name)
        name = rest[name][0] if rest[name] else left[len(path) % len(left)]
    loop = path[path.index(name) :]
    first = loop.index(min(loop))
    loop = loop[first:] + loop[:first]
    return [*loop, loop[0]]
