"""One service: from the nodes that were written to canonical JSON, noting everything that is wrong on the way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from harness_core.config.bundle import Bundle
from harness_core.config.command import command_keys, read_command, words
from harness_core.config.core_keys import COMMAND, RESERVED, RESTART, SERVICE
from harness_core.config.dotenv import parse_dotenv
from harness_core.config.draft import Draft
from harness_core.config.environment import absolute, env_files, inherited
from harness_core.config.health import read_health
from harness_core.config.nodes import Items, Node, Pairs, Scalar
from harness_core.config.plugin_keys import PluginKeys, Resolve
from harness_core.config.ports import read_ports
from harness_core.config.problem import Position, Problem
from harness_core.config.shape import WRONG, closest, shown
from harness_core.contracts.offer import Capability, Offer
from harness_core.contracts.run import Limits, LogSettings
from harness_core.mask import is_secret_name, worth_masking
from harness_core.template import escape, references, render

Keys = Callable[[str, Offer], PluginKeys]
_SIGNALS = frozenset(s.name.removeprefix("SIG") for s in signal.Signals)
_SHORTEST_SECRET = 3
_NEARLY = 0.8
"""How much a word must be like another: `dependancies` is, `network_mode` is not."""


def read_service(draft: Draft, bundle: Bundle, keys: Keys) -> None:
    """Fill in the draft's values and block; all but dependencies, which need the other services."""
    _read_type(draft)
    own = _read_core_keys(draft, keys)

    def resolve(path: str, node: Node) -> str:
        base, home = escape(draft.around.base_of(node)), escape(draft.around.home)
        return path if path.startswith("${") else absolute(path, base=base, home=home)

    values, settings = draft.values, draft.around.settings
    config = _read_own_keys(draft, own, keys, resolve)
    env, files = _read_env(draft, bundle)
    wanted = values.get("inherit_env", ())
    draft.block = {
        "type": draft.offer.name if draft.offer else "",
        "config": config,
        "command": read_command(draft),
        "env": env,
        "env_files": files,
        "inherited_env": inherited(bundle.environment, wanted if wanted is True else tuple(wanted or ())),
        "health_check": read_health(draft, keys, resolve),
        "restart": _restart(draft),
        "stop": _stop(draft),
        "oneshot": draft.oneshot,
        "startup_timeout": values.get("startup_timeout", settings["startup_timeout"]),
        "layers": _layers(draft, keys, resolve),
        "ports": read_ports(draft),
        "labels": values.get("labels", {}),
        "limits": asdict(Limits(**values.get("limits", {}))),
        "logs": asdict(LogSettings(**values.get("logs", {}))),
        "network": _network(draft),
        "description": render(values.get("description", ""), str),
        "profiles": values.get("profiles", []),
        "base_dir": draft.around.base_of(draft.node),
    }
    if values.get("limits"):
        draft.require(Capability.LIMITS, "limits", "limit what a service uses")
    _check_attached(draft)
    draft.block["secrets"] = sorted(_secrets(draft, keys))


def _read_type(draft: Draft) -> None:
    node, note = draft.node.get("type"), draft.reader.note
    path = f"{draft.path}.type"
    if node is None:
        known = ", ".join(sorted(draft.around.offers.executors)) or "none"
        note("config.missing-key", f"service '{draft.name}' has no type; installed: {known}", draft.node, path)
    elif not isinstance(node, Scalar) or not node.text:
        note("config.type", f"type: expected the name of an executor, found {shown(node)}", node, path)
    else:
        draft.type = node
        draft.offer = draft.find_offer("executor", node, path)


def _read_core_keys(draft: Draft, keys: Keys) -> Pairs:
    """Read the keys that core owns; what is left belongs to the executor."""
    reader, left = draft.reader, dict(draft.node.pairs)
    own = keys("executor", draft.offer) if draft.offer else None
    core = {**SERVICE, **command_keys(draft)}
    for name, (key, value) in draft.node.pairs.items():
        path = f"{draft.path}.{name}"
        if name.startswith("x-") or name in ("type", "health_check", "layers", "ports"):
            del left[name]
        elif name in core:
            del left[name]
            if (read := reader.read(value, core[name], path)) is not WRONG:
                draft.values[name] = read
        elif name in RESERVED:
            del left[name]
            reader.note("config.reserved", f"'{name}' is reserved: not yet", key, path, "remove it")
        elif own is not None and name in COMMAND and not own.knows(name):
            del left[name]
            draft.require(Capability.COMMAND, name, "run a command of ours")
        elif own is None:
            del left[name]
            if meant := _misspelt(draft, name, core, keys):
                draft.meant.add(meant)
                reader.note("config.unknown-key", f"unknown key '{name[:60]}'", key, path, f"did you mean '{meant}'?")
        elif not own.knows(name) and (meant := reader.suggestions.closest(name, {*core, *own.known})):
            del left[name]
            draft.meant.add(meant)
            reader.note("config.unknown-key", f"unknown key '{name[:60]}'", key, path, f"did you mean '{meant}'?")
    return Pairs(draft.node.file, draft.node.line, draft.node.column, left)


def _misspelt(draft: Draft, name: str, core: Mapping[str, Any], keys: Keys) -> str | None:
    """The key that was meant, where nobody knows the executor and so nobody can tell which keys it has."""
    executors, suggestions = draft.around.offers.executors, draft.reader.suggestions
    words = {word: offer for offer in executors.values() for word in (offer.name, *offer.aliases)}
    likely = closest(draft.type.text, words) if draft.type else None
    known = [keys("executor", offer) for offer in ([words[likely]] if likely else executors.values())]
    if any(own.knows(name) for own in known):
        return None
    if likely:
        return suggestions.closest(name, {*core, *known[0].known})
    # It may be a key of an executor that is not installed: only what is nearly one of core's was meant as that.
    return suggestions.closest(name, core, cutoff=_NEARLY)


def _read_own_keys(draft: Draft, node: Pairs, keys: Keys, resolve: Resolve) -> dict[str, Any]:
    """The executor's own keys."""
    if draft.offer is None:
        return {}
    own = keys("executor", draft.offer)
    value = own.read(node, draft.reader.secrets)
    at = node if node.pairs or draft.type is None else Pairs(draft.type.file, draft.type.line, draft.type.column, {})
    wrong = own.check(value, at, draft.path, f"type '{draft.offer.name}'", meant=draft.meant)
    draft.reader.problems.extend(wrong)
    return own.with_paths(value, node, resolve)  # type: ignore[no-any-return]


def _read_env(draft: Draft, bundle: Bundle) -> tuple[dict[str, str], dict[str, str]]:
    """The environment as written, and the `env_file` of each variable that came from one."""
    env: dict[str, str] = {}
    files: dict[str, str] = {}
    if "env_file" in draft.values:
        for node in env_files(draft.node):
            path = absolute(render(node.text, str), base=draft.around.base_of(node), home=draft.around.home)
            found = _env_file(draft, node, path, bundle)
            env.update(found)
            files.update(dict.fromkeys(found, path))
    written = draft.values.get("env", {})
    return {**env, **written}, {name: path for name, path in files.items() if name not in written}


def _env_file(draft: Draft, node: Scalar, path: str, bundle: Bundle) -> dict[str, str]:
    source = bundle.env_files.get(path)
    error = source.error if source else "it was not gathered"
    where = f"{draft.path}.env_file"
    if source is None or error:
        draft.reader.note("config.env-file", f"can't read the env_file {path}: {error}", node, where)
        return {}
    parsed = parse_dotenv(source.text, file=path, lookup=bundle.variables.get)
    draft.reader.problems.extend(parsed.problems)
    for name, line in parsed.unset.items():
        message = f"the variable {name} is not set" + ("" if bundle.strict else ", so it is empty here")
        severity: Any = "error" if bundle.strict else "warning"
        draft.reader.problems.append(Problem("config.unset-variable", message, Position(path, line, 1), where, severity=severity))
    return {name: escape(value) for name, value in parsed.values.items()}


def _restart(draft: Draft) -> dict[str, Any]:
    written = draft.values.get("restart", {})
    given: Mapping[str, Any] = {"policy": written} if isinstance(written, str) else written
    defaults = RESTART["properties"]
    backoff = given.get("backoff", 0.5)
    longest = given.get("max_backoff", max(60.0, backoff))
    policy = given.get("policy", "no" if draft.oneshot else defaults["policy"]["default"])
    path = f"{draft.path}.restart"
    if backoff > longest:
        draft.reader.note("config.value", "restart: 'backoff' is longer than 'max_backoff'", draft.node.key("restart"), path)
    if draft.oneshot and policy in ("always", "unless-stopped"):
        hint = "write on-failure or no"
        draft.reader.note(
            "config.value",
            f"a oneshot should finish, so '{policy}' can't be its restart policy",
            draft.node.key("restart"),
            path,
            hint,
        )
    return {
        "when": policy,
        "backoff": backoff,
        "max_backoff": longest,
        "max_restarts": given.get("max_restarts", defaults["max_restarts"]["default"]),
        "window": given.get("window", 60.0),
    }


def _stop(draft: Draft) -> dict[str, Any]:
    values = draft.values
    written: Mapping[str, Any] = values.get("stop", {})
    node = draft.node.get("stop")
    at: Pairs = node if isinstance(node, Pairs) else draft.node
    name = written.get("signal")
    if name is not None:
        name = name.upper().removeprefix("SIG")
        if name not in _SIGNALS:
            hint = draft.reader.suggestions.suggest(name, _SIGNALS) or "write a name such as TERM, INT or QUIT"
            draft.reader.note("config.value", f"no signal '{name[:40]}'", at.get("signal"), f"{draft.path}.stop.signal", hint)
    command = None
    if "command" in written and draft.require(Capability.EXEC, "stop.command", "run commands inside"):
        command = words(draft, written["command"], at.pairs["command"][1], f"{draft.path}.stop.command")
    default = values.get("shutdown_timeout", draft.around.settings["shutdown_timeout"])
    return {"signal": name, "timeout": written.get("timeout", default), "command": command}


def _layers(draft: Draft, keys: Keys, resolve: Resolve) -> list[dict[str, Any]]:
    node, note = draft.node.get("layers"), draft.reader.note
    path = f"{draft.path}.layers"
    if node is None:
        return []
    if not isinstance(node, Items):
        note("config.type", f"layers: expected a list, found {shown(node)}", node, path)
        return []
    if node.items:
        draft.require(Capability.COMMAND, "layers", "run a command of ours")
    found = (_layer(draft, item, f"{path}[{index}]", keys, resolve) for index, item in enumerate(node.items))
    return [layer for layer in found if layer is not None]


def _layer(draft: Draft, node: Node, path: str, keys: Keys, resolve: Resolve) -> dict[str, Any] | None:
    note, offers = draft.reader.note, draft.around.offers
    kind = node.get("type") if isinstance(node, Pairs) else None
    if not isinstance(node, Pairs) or not isinstance(kind, Scalar):
        known = ", ".join(sorted(offers.layers)) or "none is installed"
        message = (
            f"a layer has no type; installed: {known}" if isinstance(node, Pairs) else f"expected a layer, found {shown(node)}"
        )
        note("config.missing-key", message, node, path, "write { type: sudo, user: root }")
        return None
    offer = draft.find_offer("layer", kind, f"{path}.type")
    if offer is None:
        return None
    own = keys("layer", offer)
    pairs = {name: pair for name, pair in node.pairs.items() if name != "type" and not name.startswith("x-")}
    rest = Pairs(node.file, node.line, node.column, pairs)
    value = own.read(rest, draft.reader.secrets)
    draft.reader.problems.extend(own.check(value, rest, path, f"layer '{offer.name}'"))
    return {"type": offer.name, "config": own.with_paths(value, rest, resolve)}


def _network(draft: Draft) -> str | None:
    name = draft.values.get("network")
    if name is None or name in draft.around.networks:
        return name
    known = ", ".join(sorted(draft.around.networks))
    hint = draft.reader.suggestions.suggest(name, draft.around.networks) or (
        f"known: {known}" if known else "add it under 'networks' at the top"
    )
    draft.reader.note(
        "config.unknown-network", f"no network '{name[:60]}'", draft.node.get("network"), f"{draft.path}.network", hint
    )
    return None


def _check_attached(draft: Draft) -> None:
    """What already runs is only watched: keys that would start, stop or end it have no meaning."""
    if draft.offer is None or not draft.offer.attaches:
        return
    if draft.oneshot:
        message = f"'{draft.offer.name}' watches what already runs, so it can't be a oneshot"
        draft.reader.note("config.value", message, draft.node.key("oneshot"), f"{draft.path}.oneshot")
    for key in ("restart", "stop", "shutdown_timeout"):
        if pair := draft.node.pairs.get(key):
            message = f"'{key}' has no effect: '{draft.offer.name}' only watches what already runs"
            draft.reader.warn("config.no-effect", message, pair[0], f"{draft.path}.{key}")


def _secrets(draft: Draft, keys: Keys) -> Iterator[str]:
    """Literal values that must never be shown."""
    block, named = draft.block, frozenset(draft.values.get("secrets", ()))
    for name, value in block["env"].items():
        text = _literal(value) or ""
        if (name in named and len(text) >= _SHORTEST_SECRET) or (is_secret_name(name) and worth_masking(text)):
            yield text
        elif not text and value and (name in named or is_secret_name(name)):
            yield value  # it has references: the engine knows by this that what it becomes is secret
    for name in named - set(block["env"]):
        message = f"'{name[:60]}' is not in the environment of this service"
        draft.reader.note(
            "config.value",
            message,
            draft.node.get("secrets"),
            f"{draft.path}.secrets",
            draft.reader.suggestions.suggest(name, block["env"]),
        )
    for value in draft.reader.secrets:
        if (literal := _literal(value)) and len(literal) >= _SHORTEST_SECRET:
            yield literal
    for name, value in block["inherited_env"].items():
        if is_secret_name(name) and worth_masking(value):
            yield value
    yield from _secrets_of_plugins(draft, keys)


def _secrets_of_plugins(draft: Draft, keys: Keys) -> Iterator[str]:
    offers, block = draft.around.offers, draft.block
    health: Any = block["health_check"]
    parts = [("executor", block["type"], block["config"])]
    parts += [("layer", layer["type"], layer["config"]) for layer in block["layers"]]
    parts += [("health_check", health["check"], health["config"])] if health else []
    for kind, name, config in parts:
        if offer := offers.find(kind, name) or draft.around.stand_ins.get((kind, name)):
            for value in keys(kind, offer).texts_under(config, is_secret_name):
                if (literal := _literal(value)) and worth_masking(literal):
                    yield literal


def _literal(template: str) -> str | None:
    """The text of a template, None when it has references: its value is known only at a start."""
    if "${" in template and any(references(template)):
        return None
    return str(render(template, str))
