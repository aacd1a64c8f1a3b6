"""Checkup: what facts mean for whoever runs services here: a table of pure functions, one a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness_core.cli.facts import Facts
from harness_core.cli.machine import REAPING_PATIENCE
from harness_core.cli.words import duration, plural, size

MIB = 1 << 20
_FILES_A_SERVICE = 8
"""Descriptors that the keeper needs for a service, roughly: two outputs, their files, a pidfd, what follows them."""
_PIPE_PAGES = 16
_SOCKET_PATH = 107
_BOUNDED_BY = ("cpu", "memory", "pids")
_ON_A_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "davfs", "fuse", "vboxsf", "virtiofs")
_IN_MEMORY = ("tmpfs", "ramfs")
_DELEGATE = "start harness in a cgroup of its own: systemd-run --user --scope -p Delegate=yes harness daemon start"
_ELSEWHERE = "set HARNESS_STATE_DIR to a folder on a disk of this machine"


class Level(StrEnum):
    """How bad it is: a note bites in some circumstances, a warning in usual ones, with an error nothing works."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found: a sentence, and what to do where there is something to do."""

    level: Level
    message: str
    fix: str | None = None


_NOT_LOOKED_AT = Finding(Level.NOTE, "not looked at: the state directory can't be used")


def examine(facts: Facts) -> dict[str, Finding]:
    """What every check finds, by its name, in the order in which people want to know."""
    return {name: check(facts) for name, check in CHECKS.items()}


def python(facts: Facts) -> Finding:
    """The interpreter."""
    return _ok(f"Python {'.'.join(map(str, facts.python))} in {facts.prefix}")


def tls(facts: Facts) -> Finding:
    """The library that the API needs."""
    if not facts.tls13:
        fix = "use a Python that is built against OpenSSL 1.1.1 or newer"
        return Finding(Level.ERROR, f"{facts.tls} has no TLS 1.3, which the API needs", fix)
    return _ok(f"{facts.tls} with TLS 1.3")


def state_directory(facts: Facts) -> Finding:
    """Owner, mode, and whether it can be written."""
    state = facts.state
    if state.trouble:
        return Finding(Level.ERROR, state.trouble.message, state.trouble.hint)
    if not state.writable:
        return Finding(Level.ERROR, f"{state.path} can't be {'written' if state.exists else 'made'} by this user", _ELSEWHERE)
    return _ok(f"{state.path} is this user's alone" if state.exists else f"{state.path}, made when it is needed")


def disk_space(facts: Facts) -> Finding:
    """Room for logs and the registry."""
    free, inodes = facts.state.free, facts.state.inodes
    if free is None:
        return _NOT_LOOKED_AT
    fix = f"free some space, or {_ELSEWHERE}"
    if inodes is not None and inodes < 1000:
        return Finding(Level.ERROR if inodes < 50 else Level.WARNING, f"room for {plural(inodes, 'more file')} only", fix)
    if free < 200 * MIB:
        message = f"{size(free)} free: output of services is lost when it is full, and states can't be stored"
        return Finding(Level.ERROR if free < 10 * MIB else Level.WARNING, message, fix)
    return _ok(f"{size(free)} free")


def file_system(facts: Facts) -> Finding:
    """Locks and the registry need one that is of this machine, and stays."""
    kind = facts.state.filesystem
    if kind is None:
        return _NOT_LOOKED_AT
    if kind.split(".")[0] in _ON_A_NETWORK:
        message = f"the state directory is on {kind}: locks may not hold there, and the registry may be damaged"
        return Finding(Level.WARNING, message, _ELSEWHERE)
    if kind in _IN_MEMORY:
        return Finding(Level.NOTE, f"the state directory is in memory ({kind}): after a reboot nothing is remembered", _ELSEWHERE)
    if kind == "overlay":
        fix = "mount a volume there to keep it"
        return Finding(Level.NOTE, "the state directory is inside a container (overlay) and goes with it", fix)
    return _ok(f"{kind}, of this machine")


def socket_path(facts: Facts) -> Finding:
    """The keeper's socket may lie deeper than a socket's name may be long."""
    if not facts.state.path.startswith("/"):
        return _NOT_LOOKED_AT
    length = len(f"{facts.state.path}/keeper/keeper.sock".encode())
    if length > _SOCKET_PATH:
        message = f"the keeper's socket has a path of {length} bytes: harness reaches it all the same, other tools can't"
        return Finding(Level.NOTE, message, "set HARNESS_STATE_DIR to a shorter path, to use such tools")
    return _ok(f"the keeper's socket has a path of {length} bytes, and may have {_SOCKET_PATH}")


def daemon(facts: Facts) -> Finding:
    """Whether it runs and is of this version and environment."""
    known = facts.daemon
    if known.status is not None:
        return _running_daemon(facts, known.status)
    trouble = known.trouble
    if trouble is not None and known.alive and known.info is not None:
        message = f"the daemon (pid {known.info.pid}) runs and can't be talked to: {trouble.message}"
        return Finding(Level.ERROR, message, f"kill {known.info.pid}: services run on, and the next command starts another")
    if trouble is None:
        return _NOT_LOOKED_AT
    if trouble.kind != "daemon.unreachable":
        return Finding(Level.ERROR, trouble.message, trouble.hint)
    return _ok("none runs; it starts when a command needs it")


def keeper(facts: Facts) -> Finding:
    """How it finds all processes of a service, and what this machine denied it."""
    known = facts.keeper
    if known is None:
        return _NOT_LOOKED_AT if facts.state.trouble else _ok("none runs; it starts with the first local service")
    # What it says about the memory killer has a check of its own.
    notes = "".join(f"; {note}" for note in known.notes if "oom_score_adj" not in note)
    if known.containment is None:
        return _ok(f"pid {known.pid}; what it may do, only the daemon can ask{notes}")
    if known.containment != "cgroup":
        message = f"pid {known.pid}, trees of processes are found by process groups and marks, not by cgroups{notes}"
        return Finding(Level.NOTE, message, _DELEGATE)
    return Finding(Level.NOTE if notes else Level.OK, f"pid {known.pid}, each run has a cgroup of its own{notes}")


def memory_killer(facts: Facts) -> Finding:
    """Whether the kernel, short of memory, would take the keeper."""
    known = facts.keeper
    if known is None or known.oom_score_adj is None:
        return _ok("asked for when a keeper runs")
    if known.oom_score_adj < 0:
        return _ok(f"spares the keeper (oom_score_adj {known.oom_score_adj})")
    message = "short of memory, the kernel may kill the keeper; services live on and are adopted by the next one"
    return Finding(Level.NOTE, message, "only root may protect it; bound services by `limits.memory` instead")


def open_files(facts: Facts) -> Finding:
    """How many services the keeper has descriptors for."""
    own = facts.keeper.open_files if facts.keeper else None
    most = own if own is not None else facts.open_files[1]
    if most < 0:  # RLIM_INFINITY
        return _ok("no limit")
    room = most // _FILES_A_SERVICE
    if room < 200:
        fix = "raise it: `ulimit -Hn 65536`, or LimitNOFILE= of the unit that harness starts from; then restart the keeper"
        return Finding(Level.WARNING, f"at most {most}: enough for about {plural(room, 'service')}", fix)
    return _ok(f"at most {most}: enough for about {room} services (the soft limit, {facts.open_files[0]}, is raised)")


def pipes(facts: Facts) -> Finding:
    """How many services have pipes of full size; beyond, the kernel gives a page, and writers wait more often."""
    pages = facts.pipe_pages
    if pages is None or pages == 0 or facts.uid == 0:
        return _ok("as many of full size as it takes")
    room = pages // _PIPE_PAGES // 2
    message = f"of full size for {plural(room, 'service')} of this user (pipe-user-pages-soft {pages})"
    if room < 100:
        fix = "sysctl fs.pipe-user-pages-soft=65536"
        return Finding(Level.NOTE, f"{message}; those of others hold one page, and busy writers wait more often", fix)
    return _ok(message)


def cgroups(facts: Facts) -> Finding:
    """What `limits` can be applied with."""
    known = facts.cgroups
    if known.kind == "none":
        return Finding(Level.NOTE, f"none are mounted: limits of {', '.join(_BOUNDED_BY)} can't be applied")
    usable = {name for name in _BOUNDED_BY if known.writable and name in known.controllers}
    usable |= {name for name in _BOUNDED_BY if name in known.controllers_v1}
    word = {"v2": "version 2", "v1": "version 1", "hybrid": "versions 1 and 2"}[known.kind]
    missing = [name for name in _BOUNDED_BY if name not in usable]
    if not missing:
        return _ok(f"{word}; limits of {', '.join(_BOUNDED_BY)} can be applied")
    return Finding(Level.NOTE, f"{word}; limits of {', '.join(missing)} can't be applied by this user here", _DELEGATE)


def inotify(facts: Facts) -> Finding:
    """What following logs, and services that watch files, live on."""
    watches, instances = facts.inotify_watches, facts.inotify_instances
    if watches is None or instances is None:
        return _unknown("how many files may be watched")
    message = f"{watches} watches, {instances} watchers for each user"
    if watches < 8192 or instances < 64:
        fix = "sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512"
        return Finding(Level.WARNING, f"{message}: services that watch files may not get one", fix)
    return _ok(message)


def plugins(facts: Facts) -> Finding:
    """Whether all that is installed can be used."""
    known = facts.plugins
    missing = [kind.replace("_", " ") for kind in ("executor", "registry_backend") if kind not in known.kinds]
    if missing:
        message = f"no {' and no '.join(missing)} is installed: nothing can run"
        return Finding(Level.ERROR, message, f"{facts.prefix}/bin/python -m pip install 'harness-services[all]'")
    broken = "; ".join(f"{name}: {cause}" for name, cause in known.broken)
    if broken:
        return Finding(Level.WARNING, f"broken, and what needs them can't start: {broken}", "harness plugins says more")
    if known.warnings:
        message = "; ".join(f"{name} {warning}" for name, warning in known.warnings)
        return Finding(Level.NOTE, message, "harness plugins says more")
    return _ok(", ".join(known.names))


def doubled_plugins(facts: Facts) -> Finding:
    """Whether one is installed twice: which of them counts is decided by the order of sys.path."""
    doubled = facts.plugins.doubled
    if not doubled:
        return _ok("none is installed twice")
    message = "; ".join(f"{name} is installed twice: in {' and in '.join(found)}" for name, found in sorted(doubled.items()))
    return Finding(Level.WARNING, message, "uninstall the older one: only the first on Python's path counts")


def logout(facts: Facts) -> Finding:
    """Whether services outlive the session that started them."""
    if facts.init != "systemd":
        return _ok(f"PID 1 is {facts.init or 'unknown'}, not systemd: nothing ends services at logout")
    if facts.lingers or facts.uid == 0:
        return _ok("services live on after logout" + (" (this user lingers)" if facts.lingers else ""))
    fix = "loginctl enable-linger, and start harness from a user unit"
    if facts.kills_at_logout:
        return Finding(Level.WARNING, "systemd ends all processes of this user at logout (KillUserProcesses=yes)", fix)
    message = "this user does not linger: what systemd runs for it, and /run/user, ends with the last session"
    return Finding(Level.NOTE, message, fix)


def reaping(facts: Facts) -> Finding:
    """Whether PID 1 clears away orphans that have ended."""
    seconds = facts.reaping
    if seconds is None:
        return _unknown("how soon PID 1 clears away what has ended")
    if seconds < 0.5:
        return _ok("PID 1 clears away what has ended at once")
    told = f"for more than {duration(REAPING_PATIENCE)}" if seconds >= REAPING_PATIENCE else f"for {duration(seconds)}"
    message = f"PID 1 leaves what has ended as zombies {told}: harness knows them, pid files and `kill -0` take them for alive"
    return Finding(Level.NOTE, message, "in a container, run an init: docker run --init")


def clock(facts: Facts) -> Finding:
    """Whether certificates made here are good already."""
    behind = (facts.certificate_from or 0.0) - facts.now
    if behind > 0:
        message = f"the clock is {duration(behind)} behind the beginning of this state directory's certificates"
        return Finding(Level.ERROR, message, "set the clock; until then nobody is let in")
    if facts.now < 1_704_067_200:
        return Finding(
            Level.WARNING, "the clock says that it is before 2024: times in logs and events are wrong", "set the clock"
        )
    return _ok("after the beginning of the certificates" if facts.certificate_from else "plausible")


def leftovers(facts: Facts) -> Finding:
    """What a killed daemon or keeper left lying there."""
    if facts.daemon.status is not None or facts.daemon.alive:
        return _ok("none: the daemon runs")
    found = facts.state.leftovers
    if not found:
        return _ok("none")
    return _ok(f"{', '.join(found)}: harmless, whether somebody lives is found out by asking, and never by a file")


CHECKS: Mapping[str, Callable[[Facts], Finding]] = {
    "python": python,
    "tls": tls,
    "plugins": plugins,
    "doubled plugins": doubled_plugins,
    "state directory": state_directory,
    "disk space": disk_space,
    "file system": file_system,
    "socket path": socket_path,
    "leftovers": leftovers,
    "clock": clock,
    "daemon": daemon,
    "keeper": keeper,
    "memory killer": memory_killer,
    "cgroups": cgroups,
    "open files": open_files,
    "pipes": pipes,
    "inotify": inotify,
    "logout": logout,
    "reaping": reaping,
}


def _running_daemon(facts: Facts, status: Mapping[str, object]) -> Finding:
    message = f"{status['version']}, pid {status['pid']}, {status['address']}"
    if status["degraded"]:
        return Finding(Level.WARNING, f"{message}: degraded: {status['degraded']}", "harness daemon logs")
    if facts.daemon.warnings:
        return Finding(Level.WARNING, f"{message}: {'; '.join(facts.daemon.warnings)}")
    if status["prefix"] != facts.prefix:
        fix = "harness daemon upgrade --from-here: services run on"
        return Finding(Level.NOTE, f"{message}: its plugins are those of {status['prefix']}, not of {facts.prefix}", fix)
    return _ok(message)


def _ok(message: str) -> Finding:
    return Finding(Level.OK, message)


def _unknown(what: str) -> Finding:
    return Finding(Level.NOTE, f"this machine does not tell {what}")
