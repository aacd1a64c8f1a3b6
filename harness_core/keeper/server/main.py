"""Start a keeper: take the lock, leave the starter's session, listen, and turn the loop until told to end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import stat
import struct
import sys
import traceback
from typing import Any, NoReturn

from harness_core.keeper.server import adoption, cgroups, fifos, idleness, kernel
from harness_core.keeper.server import state as handover
from harness_core.keeper.server.code import about
from harness_core.keeper.server.connection import Connection
from harness_core.keeper.server.idleness import Idleness
from harness_core.keeper.server.keeper import Keeper, write_trouble
from harness_core.keeper.server.loop import READ, Loop
from harness_core.keeper.server.operations import Operations
from harness_core.keeper.server.replacement import flush

SOCKET, LOCK = "keeper.sock", "keeper.lock"
LOCKED = 3
PEER = struct.Struct("3i")


def main(argv: list[str]) -> None:
    """``STATE_DIR`` starts a keeper and returns once it listens.

    ``--check STATE`` tells what this code is, and fails if it can't take over a keeper whose state is of that version;
    ``STATE_DIR --resume FD`` takes over, in the process of the keeper that was replaced.
    """
    if len(argv) == 3 and argv[1] == "--check" and argv[2].isdigit():
        sys.stdout.write(json.dumps(about()) + "\n")
    elif len(argv) == 4 and argv[2] == "--resume":
        _resume(argv)
    elif len(argv) == 2:
        _start(argv)
    else:
        sys.exit("usage: keeper STATE_DIR")


def _resume(argv: list[str]) -> None:
    try:
        handover.close_on_exec()
        _serve(argv, handover.read(int(argv[3])))
    except BaseException:  # nobody hears it: what runs is adopted by whoever is started next, as after kill -9
        write_trouble(argv[1], traceback.format_exc())
        raise


def _start(argv: list[str]) -> None:
    state_dir = argv[1] = os.path.abspath(argv[1])
    os.umask(0o077)
    try:
        idleness.seconds()
    except ValueError:
        sys.exit("%s is no number of seconds: %r" % (idleness.VARIABLE, os.environ[idleness.VARIABLE]))
    try:
        _prepare_folder(state_dir)
        lock = _take_lock(state_dir)
    except OSError as error:
        sys.exit("the keeper's folder %s cannot be used: %s" % (state_dir, error.strerror))
    told, tell = os.pipe()
    if os.fork() > 0:
        os.close(tell)
        _await_child(told)
    os.close(told)
    try:
        _leave_session()
        state = {"lock": lock, "listen": -1, "runs": {}, **_rise()}
        _serve(argv, state, ready=tell)
    except BaseException as error:  # the starter waits for a word, whatever happened
        os.write(tell, ("%s: %s" % (type(error).__name__, error)).encode()[:4000])
        raise


def _prepare_folder(state_dir: str) -> None:
    for name in ("runs", "execs"):
        os.makedirs(os.path.join(state_dir, name), mode=0o700, exist_ok=True)
    about = os.stat(state_dir)
    if about.st_uid != os.geteuid():
        sys.exit("the keeper's folder %s belongs to uid %d, and we are uid %d" % (state_dir, about.st_uid, os.geteuid()))
    if stat.S_IMODE(about.st_mode) & 0o077:
        os.chmod(state_dir, 0o700)


def _take_lock(state_dir: str) -> int:
    lock = os.open(os.path.join(state_dir, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        sys.stderr.write("another keeper (pid %s) owns %s\n" % (holder, state_dir))
        sys.exit(LOCKED)
    return lock


def _await_child(told: int) -> NoReturn:
    word = os.read(told, 4096)
    if word == b"ready":
        os._exit(0)
    sys.stderr.write("the keeper did not start: %s\n" % (word.decode(errors="replace") or "it died"))
    sys.stderr.flush()
    os._exit(1)


def _leave_session() -> None:
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    if null > 2:
        os.close(null)


def _rise() -> dict[str, Any]:
    """Ask for more descriptors and for protection from the memory killer; note what is denied, and what to give children."""
    notes = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        notes.append("the soft limit of open files stays at %d: %s" % (soft, error))
    score = None
    with open("/proc/self/oom_score_adj") as file:
        before = file.read().strip()
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-900")
        score = before
    except OSError as error:
        notes.append("no protection from the kernel's memory killer (oom_score_adj): %s" % error.strerror)
    return {"file_limit": [soft, hard], "oom_score": score, "notes": notes}


def _serve(argv: list[str], state: dict[str, Any], *, ready: int = -1) -> None:
    os.umask(0o077)
    state_dir = argv[1]
    kernel.become_subreaper()
    keeper_box: list[Keeper] = []
    loop = Loop(lambda text: keeper_box[0].crashed(text))
    soft, hard = state["file_limit"]
    keeper = Keeper(loop, state_dir, file_limit=(soft, hard), oom_score=state["oom_score"])
    keeper_box.append(keeper)
    _watch_signals(loop, keeper)
    if "epoch" in state:
        handover.take_over(keeper, state)
    else:
        keeper.notes += state["notes"]
        keeper.find_cgroups()
        adoption.adopt(keeper)
    listener = socket.socket(fileno=state["listen"]) if state["listen"] >= 0 else _listen(state_dir)
    standing = {name: state[name] for name in ("lock", "file_limit", "oom_score")}
    standing["listen"] = listener.fileno()

    def become(python: str, code: str) -> None:
        def now() -> None:
            operations.settle()
            handover.become(python, code, state_dir, keeper, standing)
            for connection in list(operations.connections):
                connection.close()  # still here: so that clients learn of it, they have to come back

        flush(operations.connections, now, loop.later)

    def leave() -> None:
        loop.stopped = True

    operations = Operations(keeper, become=become, leave=leave)
    Idleness(keeper, seconds=idleness.seconds(), clients=lambda: len(operations.connections), leave=leave)
    loop.watch(listener.fileno(), READ, lambda mask: _accept(loop, listener, operations))
    os.ftruncate(state["lock"], 0)
    os.pwrite(state["lock"], b"%d\n" % os.getpid(), 0)
    if ready >= 0:
        os.write(ready, b"ready")
        os.close(ready)
    keeper.reap()  # whoever ended while we had no eyes
    loop.run()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(state_dir, SOCKET))
    if keeper.cgroups is not None:
        cgroups.remove(keeper.cgroups.base)  # stays while runs live in it
    keeper.hierarchies.close()
    fifos.remove_folder(keeper.fifo_dir)  # likewise


def _watch_signals(loop: Loop, keeper: Keeper) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    # Handlers that do nothing, not SIG_IGN: what is ignored stays ignored in every service.
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def caught(_mask: int) -> None:
        numbers = os.read(reading, 4096)
        if signal.SIGTERM in numbers:
            loop.stopped = True  # runs go on; the next keeper adopts them
        keeper.reap()

    loop.watch(reading, READ, caught)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handover.ENDING)  # kept back while we were being replaced


def _listen(state_dir: str) -> socket.socket:
    path = os.path.join(state_dir, SOCKET)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # we hold the lock: whoever bound it is gone
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A unix socket's path has 107 bytes; through the folder's handle every folder is near enough.
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind("/proc/self/fd/%d/%s" % (folder, SOCKET))
    finally:
        os.close(folder)
    os.chmod(path, 0o600)
    listener.listen(128)
    listener.setblocking(False)
    return listener


def _accept(loop: Loop, listener: socket.socket, operations: Operations) -> None:
    try:
        sock, _ = listener.accept()
    except OSError:
        return  # hung up already, or out of descriptors: the next one asks again
    uid = PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[1]
    if uid != os.geteuid():
        sock.close()
        return
    sock.setblocking(False)
    operations.connections.add(Connection(loop, sock, operations))
