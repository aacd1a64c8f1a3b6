"""`health_check`: its clock, and exactly one check with that check's own keys, as canonical JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness_core.config.core_keys import HEALTH
from harness_core.config.draft import Draft
from harness_core.config.nodes import Node, Pairs, Scalar
from harness_core.config.plugin_keys import PluginKeys, Resolve
from harness_core.config.shape import WRONG, shown
from harness_core.contracts.offer import Capability, Offer

_CANNOT = {Capability.EXEC: "run commands inside", Capability.OUTPUT: "read a service's output"}

Keys = Callable[[str, Offer], PluginKeys]


def read_health(draft: Draft, keys: Keys, resolve: Resolve) -> dict[str, Any] | None:
    """The check of a service; None when it has none, or what is written is wrong."""
    node = draft.node.get("health_check")
    path = f"{draft.path}.health_check"
    if node is None:
        return None
    if not isinstance(node, Pairs):
        draft.reader.note("config.type", f"health_check: expected a mapping, found {shown(node)}", node, path)
        return None
    clock = _clock(draft, node, path)
    checks = _checks(draft, node, path)
    if len(checks) != 1:
        return None
    key, offer = checks[0]
    _ask_for_capabilities(draft, key, offer, path)
    own = keys("health_check", offer)
    config = _config(draft, node, key.text, own, f"{path}.{key.text}", clock, resolve)
    return {"check": offer.name, "config": config, **clock}


def _clock(draft: Draft, node: Pairs, path: str) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, schema in HEALTH.items():
        value = node.get(name)
        if value is not None and (found := draft.reader.read(value, schema, f"{path}.{name}")) is not WRONG:
            read[name] = found
    return {
        "interval": read.get("interval", draft.around.settings["health_check_interval"]),
        "timeout": read.get("timeout", 5.0),
        "retries": read.get("retries", HEALTH["retries"]["default"]),
        "successes": read.get("successes", HEALTH["successes"]["default"]),
        "start_period": read.get("start_period", 0.0),
        "restart_on_failure": read.get("on_failure") == "restart",
    }


def _checks(draft: Draft, node: Pairs, path: str) -> list[tuple[Scalar, Offer]]:
    """The checks that are written; notes whatever is not exactly one."""
    offers, note = draft.around.offers, draft.reader.note
    found: list[tuple[Scalar, Offer]] = []
    unknown: list[Scalar] = []
    refused = False
    for name, (key, _) in node.pairs.items():
        if name in HEALTH or name.startswith("x-") or (name == "args" and len(node.pairs) > 1):
            continue
        if offers.find("health_check", name) or offers.expects("health_check", name):
            if offer := draft.find_offer("health_check", key, f"{path}.{name}"):
                found.append((key, offer))
            else:
                refused = True
        else:
            unknown.append(key)
    known = ", ".join(sorted(offers.health_checks)) or "none is installed"
    for key in unknown:
        close = draft.reader.suggestions.suggest(key.text, [*HEALTH, *offers.health_checks])
        if found or close:
            note("config.unknown-key", f"unknown key '{key.text[:60]}' in health_check", key, f"{path}.{key.text}", close)
        else:
            missing = offers.missing("health_check", key.text[:60])
            note("config.unknown-type", missing.message, key, f"{path}.{key.text}", missing.hint)
    if not found and not unknown and not refused:
        note("config.missing-key", f"health_check has no check: add one of {known}", draft.node.key("health_check"), path)
    if len(found) > 1:
        names = " and ".join(key.text for key, _ in found)
        one, other = found[0][0], found[1][0]
        # The usual slip of an override: it adds its check to the one that is there.
        hint = f"to replace the one of {one.file}, write `{one.text}: null` here as well" if one.file != other.file else None
        note("config.value", f"health_check has {names}: only one check is possible", other, path, hint)
    return found


def _ask_for_capabilities(draft: Draft, key: Scalar, check: Offer, path: str) -> None:
    """A check's offer declares what it takes of the executor."""
    for capability in sorted(check.capabilities):
        if not draft.can(capability):
            assert draft.offer is not None
            cannot = _CANNOT.get(capability, f"do that: {capability}")
            message = (
                f"service '{draft.name}' has a {check.name} health check, "
                f"but executor '{draft.offer.name}' cannot {cannot} (no {capability.name})"
            )
            draft.reader.note("config.capability", message, key, f"{path}.{key.text}")


def _config(draft: Draft, health: Pairs, name: str, own: PluginKeys, path: str, clock: dict[str, Any], resolve: Resolve) -> Any:
    node: Node = health.pairs[name][1]
    # The older style has `timeout` inside the check; there it wins over the one beside it.
    if isinstance(node, Pairs) and (inner := node.get("timeout")):
        seconds = draft.reader.read(inner, HEALTH["timeout"], f"{path}.timeout")
        if seconds is not WRONG:
            clock["timeout"] = seconds
        node = Pairs(node.file, node.line, node.column, {k: v for k, v in node.pairs.items() if k != "timeout"})
    # The older style has `args` beside `command`.
    if "args" in health.pairs and own.knows("args"):
        args = health.pairs["args"]
        pairs = node.pairs if isinstance(node, Pairs) else {name: (health.pairs[name][0], node)}
        node = Pairs(node.file, node.line, node.column, {**pairs, "args": args})
    elif "args" in health.pairs:
        draft.reader.note("config.unknown-key", f"'args' does not go with '{name}'", health.key("args"), f"{path}.args")
    value = own.read(node, draft.reader.secrets)
    draft.reader.problems.extend(own.check(value, node, path, f"the {name} check"))
    return own.with_paths(value, node, resolve)
