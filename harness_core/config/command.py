"""`command`, or `binary` and `args`, and what surrounds them, as canonical JSON."""

from __future__ import annotations

import shlex
from typing import Any

from harness_core.config.core_keys import COMMAND
from harness_core.config.draft import Draft
from harness_core.config.environment import absolute
from harness_core.config.nodes import Node, Scalar
from harness_core.contracts.offer import Capability
from harness_core.template import escape


def read_command(draft: Draft) -> dict[str, Any] | None:
    """The command of a service whose executor has COMMAND; None where it has none, or what is written is wrong."""
    if draft.offer is None or not draft.can(Capability.COMMAND):
        return None
    values = draft.values
    for key, capability, verb in (
        ("stdin", Capability.STDIN, "write to a service's stdin"),
        ("tty", Capability.TTY, "give a service a terminal"),
    ):
        if values.get(key):
            draft.require(capability, key, verb)
    argv = _argv(draft)
    if argv is None:
        return None
    base = escape(draft.around.base_of(draft.node.get("working_dir") or draft.node))
    home = escape(draft.around.home)
    folder = values.get("working_dir", ".")
    return {
        "argv": argv,
        "working_dir": folder if folder.startswith("${") else absolute(folder, base=base, home=home),
        "shell": bool(values.get("shell")),
        "stdin": bool(values.get("stdin")),
        "tty": bool(values.get("tty")),
    }


def _argv(draft: Draft) -> list[str] | None:
    written, values, note = draft.node.pairs, draft.values, draft.reader.note
    if "command" in written and "binary" in written:
        command, binary = written["command"][0], written["binary"][0]
        hint = "write 'command' alone, or 'binary' with 'args'"
        if command.file != binary.file:
            hint += "; in the later file, `null` removes what the earlier one has"
        note("config.value", "'command' and 'binary' can't both be there", binary, f"{draft.path}.binary", hint)
        return None
    if "args" in written and "binary" not in written:
        hint = "put them into 'command', or call the program 'binary'" if "command" in written else "add 'binary'"
        note("config.value", "'args' goes with 'binary'", written["args"][0], f"{draft.path}.args", hint)
        return None
    if "binary" in written:
        return _from_binary(draft)
    if "command" not in written:
        if draft.meant & {"command", "binary"} or draft.guessed:
            return None
        assert draft.offer is not None
        message = f"service '{draft.name}' ({draft.offer.name}) needs 'command' or 'binary'"
        note("config.missing-key", message, _named(draft), draft.path)
        return None
    return _from_command(draft) if "command" in values else None


def _from_binary(draft: Draft) -> list[str] | None:
    values = draft.values
    if values.get("shell"):
        hint = "write the line as 'command'"
        draft.reader.note("config.value", "'shell' goes with 'command'", draft.node.key("shell"), f"{draft.path}.shell", hint)
        return None
    if "binary" not in values or ("args" in draft.node.pairs and "args" not in values):
        return None
    binary = values["binary"]
    if "/" in binary and not binary.startswith("${"):
        # A path is seen from the config file, wherever the service starts; a bare name is looked up on its PATH.
        base = draft.around.base_of(draft.node.pairs["binary"][1])
        binary = absolute(binary, base=escape(base), home=escape(draft.around.home))
    return [binary, *values.get("args", ())]


def _from_command(draft: Draft) -> list[str] | None:
    node = draft.node.pairs["command"][1]
    argv = words(draft, draft.values["command"], node, f"{draft.path}.command", shell=bool(draft.values.get("shell")))
    if argv and argv[0].startswith("~/"):
        argv[0] = absolute(argv[0], base="/", home=escape(draft.around.home))
    return argv


def words(draft: Draft, value: Any, node: Node, path: str, *, shell: bool = False) -> list[str] | None:
    """The argument list that a list or a string stands for, None when it is wrong."""
    note = draft.reader.note
    if shell:
        if not isinstance(node, Scalar):
            note("config.type", "with 'shell: true' the command is one string", node, path, "write it as one line")
            return None
        argv = [value] if value.strip() else []
    elif isinstance(value, list):
        argv = value
    else:
        try:
            argv = shlex.split(value)
        except ValueError as error:
            wrong = "a quote is never closed" if "quotation" in str(error) else "nothing follows the last backslash"
            hint = "close it, or write a list; with 'shell: true' a shell reads the line"
            note("config.value", f"can't split the command: {wrong}", node, path, hint)
            return None
    if not argv or not argv[0]:
        note("config.value", "the command is empty", node, path)
        return None
    return list(argv)


def command_keys(draft: Draft) -> dict[str, Any]:
    """The keys of `command` and its like that core owns for this service."""
    return COMMAND if draft.can(Capability.COMMAND) else {}


def _named(draft: Draft) -> Node:
    return draft.type or draft.node
