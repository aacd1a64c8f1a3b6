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
from typing import Any, NoReturn

from harness_core.keeper.server import adoption, cgroups, fifos, kernel
from harness_core.keeper.server.connection import Connection
from harness_core.keeper.server.keeper import Keeper
from harness_core.keeper.server.loop import READ, Loop
from harness_core.keeper.server.operations import Operations

SOCKET, LOCK = "keeper.sock", "keeper.lock"
LOCKED = 3
PEER = struct.Struct("3i")


def main(argv: list[str]) -> None:
    """``STATE_DIR`` starts a keeper and returns once it listens; ``STATE_DIR --resume FD`` goes on after an upgrade."""
    if len(argv) == 4 and argv[2] == "--resume":
        with os.fdopen(int(argv[3]), "rb") as file:
            file.seek(0)
            _serve(argv, json.loads(file.read()))
    elif len(argv) == 2:
        _start(argv)
    else:
        sys.exit("usage: keeper STATE_DIR")


def _start(argv: list[str]) -> None:
    state_dir = argv[1] = os.path.abspath(argv[1])
    os.umask(0o077)
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
    os.set_inheritable(state["lock"], False)
    keeper_box: list[Keeper] = []
    loop = Loop(lambda text: keeper_box[0].crashed(text))
    soft, hard = state["file_limit"]
    keeper = Keeper(loop, state_dir, file_limit=(soft, hard), oom_score=state["oom_score"])
    keeper_box.append(keeper)
    keeper.notes += state["notes"]
    if "epoch" in state:
        keeper.epoch, keeper.seq, keeper.acknowledged = state["epoch"], state["seq"], state["acknowledged"]
        keeper.events.extend((seq, line.encode()) for seq, line in state["events"])
    _watch_signals(loop, keeper)
    adoption.adopt(keeper, state["runs"])
    listener = socket.socket(fileno=state["listen"]) if state["listen"] >= 0 else _listen(state_dir)
    os.set_inheritable(listener.fileno(), False)
    operations = Operations(
        keeper,
        upgrade=lambda: _replace(argv, keeper, listener, state),
        leave=lambda: setattr(loop, "stopped", True),
    )
    loop.watch(listener.fileno(), READ, lambda mask: _accept(loop, listener, operations))
    os.ftruncate(state["lock"], 0)
    os.pwrite(state["lock"], b"%d\n" % os.getpid(), 0)
    if ready >= 0:
        os.write(ready, b"ready")
        os.close(ready)
    keeper.reap()  # whoever ended during an upgrade
    loop.run()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(state_dir, SOCKET))
    if keeper.cgroups is not None:
        cgroups.remove(keeper.cgroups.base)  # stays while runs live in it
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


def _replace(argv: list[str], keeper: Keeper, listener: socket.socket, state: dict[str, Any]) -> None:
    """Become the code that is on disk now; children, their output and every event stay."""
    kept = {
        **state,
        "listen": listener.fileno(),
        "epoch": keeper.epoch,
        "seq": keeper.seq,
        "acknowledged": keeper.acknowledged,
        "events": [(seq, line.decode()) for seq, line in keeper.events],
        "runs": {run.run: adoption.hand_over(run) for run in keeper.runs.values()},
    }
    memory = os.memfd_create("keeper", 0)
    with os.fdopen(os.dup(memory), "wb") as file:
        file.write(json.dumps(kept).encode())
    os.set_inheritable(memory, True)
    for fd in (state["lock"], listener.fileno()):
        os.set_inheritable(fd, True)
    command = [sys.executable, "-I", "-S", os.path.abspath(argv[0]), argv[1], "--resume", str(memory)]
    try:
        os.execv(sys.executable, command)
    except OSError as error:
        os.close(memory)
        keeper.note("upgrade", "the keeper could not replace itself: %s" % error.strerror)
