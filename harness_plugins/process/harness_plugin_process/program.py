"""Whether a command can be executed at all, found out before anything starts."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from harness_core.contracts.command import Command
from harness_core.contracts.errors import CommandNotFound, LaunchFailed

_FIRST_BYTES = 256  # as much of a file as the kernel looks at


def check_command(command: Command, *, base: str = "/") -> None:
    """Raise CommandNotFound or LaunchFailed, naming the file and what to do, unless the command can be executed here."""
    cwd = command.cwd or base
    check_folder(cwd)
    if not command.argv or not command.argv[0]:
        raise CommandNotFound("the command is empty", hint="write `command:` or `binary:`")
    search = command.env.get("PATH", os.defpath)
    program = find_program(command.argv[0], search=search, cwd=cwd)
    _check_first_line(program, search=search, cwd=cwd)


def check_folder(path: str) -> None:
    """Raise LaunchFailed unless this is a directory that may be entered."""
    folder = Path(path)
    if not folder.exists():
        raise LaunchFailed(f"the working directory {path} does not exist", hint=_similar(folder), transient=False)
    if not folder.is_dir():
        raise LaunchFailed(f"the working directory {path} is not a directory", transient=False)
    if not os.access(folder, os.X_OK):
        raise LaunchFailed(f"the working directory {path} may not be entered", hint=f"look at `ls -ld {path}`", transient=False)


def find_program(name: str, *, search: str, cwd: str) -> Path:
    """The executable file that this name stands for, looked up as execvp does; raises CommandNotFound."""
    if "/" in name:
        return _executable(Path(cwd, name), said=name)
    folders = [Path(cwd, folder) for folder in search.split(":")]
    candidates = [path for folder in folders if _is_file(path := folder / name)]
    for path in candidates:
        if os.access(path, os.X_OK):
            return path
    if candidates:
        return _executable(candidates[0], said=name)
    if _is_file(Path(cwd, name)):
        raise CommandNotFound(f"no program {name!r} on PATH ({search})", hint=f"the file in {cwd} is called by `./{name}`")
    near = difflib.get_close_matches(name, sorted(_programs(folders)), n=1, cutoff=0.7)
    raise CommandNotFound(f"no program {name!r} on PATH ({search})", hint=f"did you mean {near[0]!r}?" if near else None)


def _executable(path: Path, *, said: str) -> Path:
    if not path.exists():
        where = "" if str(path) == said else f" ({os.path.normpath(path)})"
        broken = f"it is a link to {os.readlink(path)}, which does not exist" if path.is_symlink() else _similar(path)
        raise CommandNotFound(f"no program {said!r}{where}", hint=broken)
    if path.is_dir():
        raise CommandNotFound(f"{said!r} is a directory, not a program")
    if not os.access(path, os.X_OK):
        raise CommandNotFound(f"{said!r} is not executable", hint=f"chmod +x {os.path.normpath(path)}")
    return path


def _check_first_line(program: Path, *, search: str, cwd: str) -> None:
    """Raise CommandNotFound when the file is a script that nothing can interpret."""
    try:
        with program.open("rb") as file:
            start = file.read(_FIRST_BYTES)
    except OSError:
        return  # executable and not readable: a program that keeps to itself
    if not start.startswith(b"#!"):
        if b"\0" not in start and start.isascii():
            raise CommandNotFound(
                f"{os.path.normpath(program)} is text without a first line that says what runs it",
                hint="let it begin with a line such as `#!/bin/sh`, or name the interpreter in the command",
            )
        return
    line = os.fsdecode(start[2:].split(b"\n", 1)[0])
    # The kernel parts words at spaces and tabs only: a carriage return belongs to the name.
    words = line.strip(" \t").split(None, 1) if not line.endswith("\r") else [line.strip(" \t")]
    interpreter = Path(words[0]) if words else None
    if interpreter is None or not Path(cwd, interpreter).exists():
        windows = "its lines end as on Windows: convert them, for example with `sed -i 's/\\r$//'`"
        raise CommandNotFound(
            f"{os.path.normpath(program)} needs the interpreter {line.strip()!r}, which does not exist",
            hint=windows if line.endswith("\r") else _similar(interpreter),
        )
    wanted = _wanted_of_env(interpreter, words[1].split() if len(words) > 1 else [])
    if wanted is not None:
        try:
            find_program(wanted, search=search, cwd=cwd)
        except CommandNotFound as error:
            message = f"{os.path.normpath(program)} needs {wanted!r} to interpret it: {error.message}"
            raise CommandNotFound(message, hint=error.hint) from None


def _wanted_of_env(interpreter: Path, words: list[str]) -> str | None:
    """What `#!/usr/bin/env [-S] [NAME=value] program` looks for on PATH."""
    if interpreter.name != "env":
        return None
    for word in words:
        if word in ("-S", "-") or "=" in word:
            continue
        # Other options change what follows in ways that only env knows: no judgement then.
        return None if word.startswith("-") else word
    return None


def _similar(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1, cutoff=0.6)
    except OSError:
        return None
    return f"did you mean {os.path.normpath(path.parent / near[0])}?" if near else None


def _programs(folders: Iterable[Path]) -> Iterable[str]:
    for folder in folders:
        try:
            yield from os.listdir(folder)
        except OSError:
            continue


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
