"""`ports`: `5432`, `auto`, `"8080:80"`, `"53/udp"` or a mapping, as canonical JSON."""

from __future__ import annotations

import re
from typing import Any

from harness_core.config.core_keys import SERVICE
from harness_core.config.draft import Draft
from harness_core.config.nodes import Items, Node, Pairs
from harness_core.config.shape import WRONG, shown

_PORT = re.compile(r"(?:(?P<outer>[0-9]{1,5}):)?(?P<inner>[0-9]{1,5}|auto)(?:/(?P<protocol>tcp|udp))?")
_PROTOCOLS = frozenset({"http", "https", "ws", "wss", "grpc", "udp"})


def read_ports(draft: Draft) -> list[dict[str, Any]]:
    """The ports of a service; wrong ones are noted and left out.

    The first is called `default` unless it has a name; further ones are called by their number.
    """
    node = draft.node.get("ports")
    if node is None:
        return []
    if not isinstance(node, Items):
        draft.reader.note("config.type", f"ports: expected a list, found {shown(node)}", node, f"{draft.path}.ports")
        return []
    ports: list[dict[str, Any]] = []
    for index, item in enumerate(node.items):
        path = f"{draft.path}.ports[{index}]"
        value = draft.reader.read(item, SERVICE["ports"]["items"], path)
        port = None if value is WRONG else _read(draft, value, item, path, first=index == 0)
        if port is None:
            continue
        if any(port["name"] == other["name"] for other in ports):
            draft.reader.note("config.value", f"two ports are called '{port['name']}'", item, path, "give one another name")
        elif port["outer"] and any(port["outer"] == other["outer"] for other in ports):
            draft.reader.note("config.port-clash", f"host port {port['outer']} is written twice", item, path)
        else:
            ports.append(port)
    return ports


def _read(draft: Draft, value: Any, node: Node, path: str, *, first: bool) -> dict[str, Any] | None:
    mapping = value if isinstance(value, dict) else {"port": value}
    at = node.get("port") or node if isinstance(node, Pairs) else node
    parsed = _parse(draft, mapping["port"], at, path) if "port" in mapping else None
    if parsed is None:
        return None
    inner, outer, protocol = parsed
    outer = mapping.get("host", outer)
    if inner is None and outer is not None:
        draft.reader.note("config.value", "a port that is 'auto' can't have a fixed host port", at, path)
        return None
    name = mapping.get("name") or ("default" if first else None if inner is None else str(inner))
    if name is None:
        hint = "write { name: admin, port: auto }"
        draft.reader.note("config.value", "only the first port may be 'auto' without a name", at, path, hint)
        return None
    default = name if name in _PROTOCOLS else "tcp"
    return {"name": name, "inner": inner, "outer": outer, "protocol": mapping.get("protocol") or protocol or default}


def _parse(draft: Draft, value: int | str, node: Node, path: str) -> tuple[int | None, int | None, str | None] | None:
    if isinstance(value, int):
        return value, None, None
    match = _PORT.fullmatch(value)
    if not match:
        hint = 'write 5432, auto, "8080:80" (host:service) or "53/udp"'
        if value.count(":") > 1 or "." in value:
            hint = "an address can't be given here: " + hint
        draft.reader.note("config.value", f"'{value[:60]}' is not a port", node, path, hint)
        return None
    inner = None if match["inner"] == "auto" else int(match["inner"])
    outer = int(match["outer"]) if match["outer"] else None
    for number in (inner, outer):
        if number is not None and not 1 <= number <= 65535:
            draft.reader.note("config.value", f"{number} is not a port: 1 to 65535", node, path)
            return None
    return inner, outer, match["protocol"]
