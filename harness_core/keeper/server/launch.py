"""Start one process: find the program, drop privileges, spawn it cheaply."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import resource
import signal
import stat
import termios
from typing import Any, Iterator, NamedTuple, NoReturn, Sequence

from harness_core.keeper.server import kernel
from harness_core.keeper.server.refusal import Refusal

UMASK, KEEPERS_UMASK = 0o022, 0o077
BUSY = {errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
FULL = {errno.ENOSPC, errno.EDQUOT}
# Ignored signals are inherited through exec, and Python ignores SIGPIPE: commands get the defaults.
_CATCHABLE = [number for number in range(1, signal.NSIG) if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33)]


class Identity(NamedTuple):
    """Whom a command runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]


class Command(NamedTuple):
    """What to start, with everything looked up."""

    program: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    identity: Identity | None


def identity(user: str | None) -> Identity | None:
    """Whom to become for ``user`` (name or uid); None when that is who we are."""
    if user is None:
        return None
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise Refusal("unknown-user", "user %r does not exist on this machine" % user) from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise Refusal("not-permitted", "running as user %r needs root, and the keeper runs as uid %d" % (user, os.geteuid()))
    groups = {entry.pw_gid, *(group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem)}
    return Identity(entry.pw_uid, entry.pw_gid, tuple(sorted(groups)))


def find_program(name: str, *, path: str, cwd: str) -> str:
    """The file that ``argv[0]`` means, looked up on the PATH of the command's own environment."""
    if not name:
        raise Refusal("command-not-found", "the command is empty")
    if "/" in name:
        candidates = [os.path.join(cwd, name)]
    else:
        candidates = [os.path.join(cwd, folder, name) for folder in (path or os.defpath).split(os.pathsep)]
    locked = None
    for candidate in candidates:
        try:
            mode = os.stat(candidate).st_mode
        except OSError as error:
            if error.errno == errno.EACCES:
                locked = locked or candidate
            continue
        if stat.S_ISREG(mode) and os.access(candidate, os.X_OK):
            return candidate
        locked = locked or candidate
    if locked is not None:
        raise Refusal("not-executable", "%r is not an executable file: %s" % (name, locked))
    where = "does not exist" if "/" in name else "was not found on PATH (%s)" % (path or os.defpath)
    raise Refusal("command-not-found", "command %r %s" % (name, where))


def look_up(argv: list[str], env: dict[str, str], cwd: str, user: str | None) -> Command:
    """A command ready to start, or a Refusal that names what is wrong with it."""
    if not argv or not all(isinstance(word, str) and "\0" not in word for word in argv):
        raise Refusal("bad-request", "argv must be a list of strings without NUL, not empty")
    if not all(isinstance(value, str) and key and "=" not in key and "\0" not in key + value for key, value in env.items()):
        raise Refusal("bad-request", "env must be strings without NUL, their names without '='")
    if not os.path.isabs(cwd):
        raise Refusal("bad-cwd", "working directory %r is not an absolute path" % cwd)
    who = identity(user)
    try:
        if not stat.S_ISDIR(os.stat(cwd).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise Refusal("bad-cwd", "working directory %r: %s" % (cwd, error.strerror)) from None
    return Command(find_program(argv[0], path=env.get("PATH", ""), cwd=cwd), argv, env, cwd, who)


def start(command: Command, files: Sequence[int], *, tty: str | None, nofile: tuple[int, int]) -> int:
    """The pid of the started process, leader of its own session; ``files`` become its 0, 1 and 2."""
    try:
        if command.identity is not None:
            return _fork(command, files, tty=tty, nofile=nofile)
        with _file_limit(nofile):
            return _spawn(command, files, tty=tty)
    except OSError as error:
        raise explain(error, command) from None


def explain(error: OSError, command: Command | None = None) -> Refusal:
    """A failure of the system in words."""
    name = kernel.error_name(error)
    if error.errno in BUSY:
        return Refusal("resources", "the system is out of resources for another process (%s: %s)" % (name, error.strerror))
    if error.errno in FULL:
        return Refusal("no-space", "the disk of the keeper's state is full (%s)" % name)
    if command is None:
        return Refusal("spawn-failed", "%s: %s" % (name, error.strerror))
    if error.errno == errno.ENOENT:
        return Refusal("command-not-found", "the interpreter that %r names in its first line does not exist" % command.program)
    if error.errno in (errno.EACCES, errno.ENOEXEC, errno.EPERM):
        return Refusal("not-executable", "%r cannot be executed (%s: %s)" % (command.program, name, error.strerror))
    if error.errno == errno.E2BIG:
        return Refusal("bad-request", "argv and env of %r are larger than the system takes (E2BIG)" % command.program)
    return Refusal("spawn-failed", "%r could not be started (%s: %s)" % (command.program, name, error.strerror))


def _spawn(command: Command, files: Sequence[int], *, tty: str | None) -> int:
    """By posix_spawn: no copy of our page tables, no Python between fork and exec, nothing that reaps behind our back."""
    if tty is not None:
        # The first terminal that a session leader opens becomes its controlling one.
        actions: list[Any] = [(os.POSIX_SPAWN_OPEN, 0, tty, os.O_RDWR, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, 0, number) for number in (1, 2)]
    else:
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
    # Directory and umask are the process's own and inherited: being single-threaded, borrow them for a moment.
    os.umask(UMASK)
    try:
        _enter_folder(command.cwd)
        return os.posix_spawn(
            command.program, command.argv, command.env,
            file_actions=actions, setsid=True, setsigmask=(), setsigdef=_CATCHABLE,
        )  # fmt: skip
    finally:
        os.umask(KEEPERS_UMASK)
        os.chdir("/")


def _fork(command: Command, files: Sequence[int], *, tty: str | None, nofile: tuple[int, int]) -> int:
    """By fork: changing the user has to happen between fork and exec. Slower, and only where a user is asked for."""
    result, report = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _become(command, files, tty, nofile, report)
        os.close(report)
        report = -1
        told = os.read(result, 100).split()
    finally:
        os.close(result)
        if report >= 0:
            os.close(report)
    if not told:
        return pid
    os.waitpid(pid, 0)
    stage, number = told[0].decode(), int(told[1])
    if stage == "cwd":
        raise Refusal("bad-cwd", "working directory %r: %s, for that user" % (command.cwd, os.strerror(number)))
    if stage == "user":
        raise Refusal("not-permitted", "the user could not be changed: %s" % os.strerror(number))
    raise OSError(number, os.strerror(number))


def _become(command: Command, files: Sequence[int], tty: str | None, nofile: tuple[int, int], report: int) -> NoReturn:
    stage = "exec"
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in _CATCHABLE:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if tty is not None:
            terminal = os.open(tty, os.O_RDWR)
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            files = [terminal] * 3
        for number, fd in enumerate(files):
            os.dup2(fd, number)
        resource.setrlimit(resource.RLIMIT_NOFILE, nofile)
        os.umask(UMASK)
        who = command.identity
        assert who is not None
        stage = "user"
        os.setgroups(who.groups)
        os.setgid(who.gid)
        os.setuid(who.uid)
        stage = "cwd"
        os.chdir(command.cwd)
        stage = "exec"
        os.execve(command.program, command.argv, command.env)
    except BaseException as error:  # nothing may get out of here: this is a copy of the keeper
        os.write(report, b"%s %d" % (stage.encode(), getattr(error, "errno", None) or errno.EINVAL))
    finally:
        os._exit(127)


def _enter_folder(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise Refusal("bad-cwd", "working directory %r: %s" % (path, error.strerror)) from None


@contextlib.contextmanager
def _file_limit(wanted: tuple[int, int]) -> Iterator[None]:
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    if ours == wanted:
        yield
        return
    # The soft limit alone: a hard limit once lowered can only be raised again by root.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted[0], ours[1]), ours[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, ours)
