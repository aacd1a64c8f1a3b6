"""What holds between services: dependencies and their conditions, references, cycles, ports that clash."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from harness_core.config.draft import Draft, Mention
from harness_core.config.model import runs_with
from harness_core.config.nodes import Items, Node, Pairs, Scalar
from harness_core.contracts.offer import Capability

Edges = dict[str, dict[str, Node]]
"""For each service what it depends on, and where that was written."""


def relate(drafts: Mapping[str, Draft], profiles: Collection[str] = ()) -> None:
    """Write each draft's `dependencies`, and note what can't be between services when these profiles are named."""
    edges: Edges = {}
    for draft in drafts.values():
        edges[draft.name] = _written(draft, drafts)
    for loop in _cycles(edges):
        draft, at = drafts[loop[0]], edges[loop[0]][loop[1]]
        draft.reader.note("config.cycle", "services depend on each other: " + " → ".join(loop), at, f"{draft.path}.dependencies")
    mentions = [(draft, mention) for draft in drafts.values() for mention in draft.mentions()]
    # Looking for a way back at every reference is slow: do it only when there is one somewhere.
    suspicious = _has_loop(edges, mentions)
    for draft, mention in mentions:
        _refer(draft, mention, drafts, edges, suspicious=suspicious)
    _check_ports(drafts)
    _check_profiles(drafts, edges, profiles)


def _written(draft: Draft, drafts: Mapping[str, Draft]) -> dict[str, Node]:
    """The dependencies that a service names, checked; those that exist, with their places."""
    conditions: dict[str, str] = {}
    places: dict[str, Node] = {}
    for name, condition, node in _entries(draft):
        path = f"{draft.path}.dependencies.{name}"
        needed = drafts.get(name)
        if needed is None:
            message = f"service '{draft.name}' depends on '{name[:64]}', which does not exist"
            draft.reader.note("config.unknown-dependency", message, node, path, draft.reader.suggestions.suggest(name, drafts))
            continue
        if name in places:
            draft.reader.note("config.value", f"'{name}' is named twice", node, path)
            continue
        places[name] = node
        conditions[name] = condition or _usual_condition(needed)
        _check_condition(draft, needed, condition, node, path)
    draft.block["dependencies"] = conditions
    return places


def _usual_condition(needed: Draft) -> str:
    """What a dependency without a word means."""
    if needed.has_check:
        return "healthy"
    return "completed" if needed.oneshot else "started"


def _entries(draft: Draft) -> Iterator[tuple[str, str | None, Node]]:
    node = draft.node.get("dependencies")
    if isinstance(node, Items):
        yield from ((item.text, None, item) for item in node.items if isinstance(item, Scalar))
    elif isinstance(node, Pairs):
        read: Any = draft.values.get("dependencies", {})
        yield from ((name, read.get(name), key) for name, (key, _) in node.pairs.items())


def _check_condition(draft: Draft, needed: Draft, condition: str | None, node: Node, path: str) -> None:
    if condition == "healthy" and not needed.has_check:
        hint = f"add a health_check to '{needed.name}', or write {'completed' if needed.oneshot else 'started'}"
        message = f"'{draft.name}' waits for '{needed.name}' to be healthy, but that has no health_check"
        draft.reader.note("config.condition", message, node, path, hint)
    if condition == "completed" and not needed.oneshot:
        hint = f"write `oneshot: true` in '{needed.name}', or wait for started or healthy"
        message = f"'{draft.name}' waits for '{needed.name}' to be completed, but that is not a oneshot"
        draft.reader.note("config.condition", message, node, path, hint)


def _has_loop(edges: Edges, mentions: Sequence[tuple[Draft, Mention]]) -> bool:
    """Whether dependencies and references together lead in a circle."""
    everything: Edges = {name: dict(needs) for name, needs in edges.items()}
    for draft, mention in mentions:
        if mention.reference.service in edges and mention.reference.service != draft.name:
            everything[draft.name][mention.reference.service] = mention.node
    return any(True for _ in _cycles(everything))


def _refer(draft: Draft, mention: Mention, drafts: Mapping[str, Draft], edges: Edges, *, suspicious: bool) -> None:
    """Check a reference; a good one to another service implies a dependency."""
    reference, note = mention.reference, draft.reader.note
    target = drafts.get(reference.service)
    if target is None:
        close = draft.reader.suggestions.suggest(reference.service, drafts)
        note("config.unknown-reference", f"{reference}: no service '{reference.service}'", mention.node, mention.path, close)
        return
    if fault := _fault_of_property(mention, target):
        note("config.unknown-reference", f"{reference}: {fault[0]}", mention.node, mention.path, fault[1])
    if target is draft:
        if reference.property != "port" and not mention.in_health_check:
            message = f"{reference}: outside of its health_check a service can refer to its own ports alone"
            hint = f"write ${{{draft.name}.port}}, and 127.0.0.1 or 0.0.0.0 for the host"
            note("config.self-reference", message, mention.node, mention.path, hint)
        return
    if target.name in edges[draft.name]:
        return
    if suspicious and (back := _way(edges, target.name, draft.name)):
        message = f"{reference}: '{target.name}' starts later than '{draft.name}': {' → '.join(back)}"
        note("config.cycle", message, mention.node, mention.path, "one of the two must do without the other")
        return
    edges[draft.name][target.name] = mention.node
    draft.block["dependencies"][target.name] = "started"
    draft.implied.add(target.name)


def _fault_of_property(mention: Mention, target: Draft) -> tuple[str, str | None] | None:
    reference = mention.reference
    if reference.property in ("host", "ip"):
        if reference.port is not None:
            return f"'{reference.property}' takes no port name", f"write ${{{target.name}.{reference.property}}}"
        return None
    names = [port["name"] for port in target.block["ports"]]
    written = target.node.get("ports")
    if isinstance(written, Items) and len(written.items) != len(names):
        # A port is wrong: that is said already, and this may be the one that is asked for.
        return None
    if reference.port is not None and names and reference.port not in names:
        known = f"its ports: {', '.join(names)}"
        return f"'{target.name}' has no port '{reference.port}'", target.reader.suggestions.suggest(
            reference.port, names
        ) or known
    # Attachers and containers may know their ports by themselves; a command of ours has those that are written.
    written_only = _runs_commands(target) and not target.guessed and target.offer is not None and not target.offer.attaches
    if written_only and "ports" not in target.node.pairs:
        return f"'{target.name}' has no ports", f"add `ports` to '{target.name}'"
    return None


def _cycles(edges: Edges) -> Iterator[list[str]]:
    """Loops among dependencies, one for each edge that leads back, as `[a, b, a]`."""
    done: set[str] = set()
    for start in edges:
        # Iterative: a chain of a thousand services is deeper than Python's stack.
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, Iterator[str]]] = []
        todo: str | None = start if start not in done else None
        while todo is not None or stack:
            if todo is not None:
                path.append(todo)
                on_path.add(todo)
                stack.append((todo, iter(edges[todo])))
                todo = None
            name, rest = stack[-1]
            for needed in rest:
                if needed in on_path:
                    yield [*path[path.index(needed) :], needed]
                elif needed not in done:
                    todo = needed
                    break
            else:
                done.add(name)
                on_path.discard(name)
                path.pop()
                stack.pop()


def _way(edges: Edges, start: str, goal: str) -> list[str] | None:
    """The shortest way of dependencies from one service to another."""
    came: dict[str, str] = {start: ""}
    frontier = [start]
    while frontier:
        following: list[str] = []
        for name in frontier:
            for needed in edges.get(name, ()):
                if needed not in came:
                    came[needed] = name
                    following.append(needed)
        if goal in came:
            way = [goal]
            while way[-1] != start:
                way.append(came[way[-1]])
            return way[::-1]
        frontier = following
    return None


def _check_ports(drafts: Mapping[str, Draft]) -> None:
    """Two services can't publish one port of one machine."""
    taken: dict[tuple[Any, ...], str] = {}
    for draft in drafts.values():
        node = draft.node.get("ports")
        for port in draft.block["ports"]:
            key = _claim(draft, port)
            if key is None:
                continue
            other = taken.setdefault(key, draft.name)
            if other != draft.name:
                message = f"port {key[1]} of '{draft.name}' is taken by '{other}'"
                hint = "give one of them another port, or `auto`"
                draft.reader.note("config.port-clash", message, node, f"{draft.path}.ports", hint)


def _check_profiles(drafts: Mapping[str, Draft], edges: Edges, active: Collection[str]) -> None:
    """What runs can't depend on what doesn't: its profile decides alone, so that nothing starts that nobody named."""
    runs = {name: runs_with(draft.values.get("profiles", ()), active) for name, draft in drafts.items()}
    for name, needs in edges.items():
        for needed, node in needs.items():
            if runs[name] and not runs[needed]:
                draft, theirs = drafts[name], drafts[needed].values["profiles"]
                message = f"'{name}' depends on '{needed}', which runs only with the profile {' or '.join(theirs)}"
                same = f"write `profiles: [{', '.join(theirs)}]` in '{name}' too"
                hint = f"name it: --profile {theirs[0]}; or {same}, or take it from '{needed}'"
                draft.reader.note("config.profile", message, node, f"{draft.path}.dependencies.{needed}", hint)


def _claim(draft: Draft, port: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """What a fixed port takes for itself, as far as that is known without asking the executor where it stands."""
    if draft.offer is None or draft.offer.attaches:
        return None
    family = "udp" if port["protocol"] == "udp" else "tcp"
    if port["outer"] is not None:
        return draft.offer.name, port["outer"], family, _place(draft) if _runs_commands(draft) else None
    if port["inner"] is not None and _runs_commands(draft):
        # A command with the same config and layers stands in the same place: places are a function of these.
        return draft.offer.name, port["inner"], family, _place(draft)
    return None


def _runs_commands(draft: Draft) -> bool:
    return draft.offer is not None and Capability.COMMAND in draft.offer.capabilities


def _place(draft: Draft) -> str:
    return repr((draft.block["config"], draft.block["layers"]))
