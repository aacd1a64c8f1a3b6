"""Which of the running processes a config means."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness_core.contracts.errors import Ambiguous, NotFound
from harness_plugin_process.proc import Process, all_processes, find

_NAMED_AT_MOST = 10


def running(config: Mapping[str, Any]) -> Process:
    """The one live process that the config means; raises NotFound, or Ambiguous naming them."""
    named = {f"pid {config['pid']}": config["pid"]} if "pid" in config else {}
    if "pidfile" in config:
        pid = _pid_in(Path(config["pidfile"]))
        named[f"pid {pid} of {config['pidfile']}"] = pid
    if not named:
        return only_match(config, all_processes())
    if len(set(named.values())) > 1:
        raise NotFound(f"{' is not '.join(named)}")
    (said, pid), *_ = reversed(named.items())
    process = find(pid)
    if process is None:
        raise NotFound(f"no process with {said} runs")
    if not _matches(config, process):
        raise NotFound(f"{process} has not {_wanted(config)}")
    return process


def only_match(config: Mapping[str, Any], processes: Iterable[Process]) -> Process:
    """The one process out of these that matches `process_name` and `cmdline`."""
    everything = {process.pid: process for process in processes}
    matches = {pid: process for pid, process in everything.items() if pid != os.getpid() and _matches(config, process)}
    # A server that forks workers under its own name is one thing: its oldest ancestor that matches.
    roots = [process for process in matches.values() if not any(pid in matches for pid in _ancestors(process, everything))]
    wanted = _wanted(config)
    if not roots:
        raise NotFound(f"no process with {wanted} runs")
    if len(roots) > 1:
        shown = ", ".join(str(process) for process in sorted(roots, key=lambda process: process.pid)[:_NAMED_AT_MOST])
        more = f" and {len(roots) - _NAMED_AT_MOST} more" if len(roots) > _NAMED_AT_MOST else ""
        raise Ambiguous(f"{len(roots)} processes have {wanted}: {shown}{more}", hint="say which by `pid`, `pidfile` or `cmdline`")
    return roots[0]


def _wanted(config: Mapping[str, Any]) -> str:
    return " and ".join(f"{key} {config[key]!r}" for key in ("process_name", "cmdline") if key in config)


def _pid_in(path: Path) -> int:
    try:
        with path.open() as file:
            text = file.read(100)
    except FileNotFoundError:
        raise NotFound(f"the pidfile {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"the pidfile {path} can't be read: {error}") from None
    first = text.split()[:1]
    if not first or not first[0].isascii() or not first[0].isdigit() or int(first[0]) < 1:
        raise NotFound(f"the pidfile {path} holds no process id: {text[:40]!r}")
    return int(first[0])


def _matches(config: Mapping[str, Any], process: Process) -> bool:
    if not process.argv and not process.memory:
        return False  # a thread of the kernel
    if "process_name" in config:
        names = {process.name} | ({os.path.basename(process.argv[0])} if process.argv else set())
        if not any(fnmatchcase(name, config["process_name"]) for name in names):
            return False
    return "cmdline" not in config or fnmatchcase(" ".join(process.argv), config["cmdline"])


def _ancestors(process: Process, everything: Mapping[int, Process]) -> Iterable[int]:
    seen = {process.pid}
    while (parent := process.parent) in everything and parent not in seen:
        seen.add(parent)
        yield parent
        process = everything[parent]
