"""Run `scripts/demo` in a terminal, as a person would, press Ctrl-C, and fail unless it did all that it promises."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

DEMO = Path(__file__).parent / "demo"
PROMISED = (
    r"\$ harness up -d",
    r"\$ harness status",
    r"http://127\.0\.0\.1:\d+",
    '"name": "apple"',
    r"\$ harness why flaky[\s\S]*exited with code 1[\s\S]*the cache is cold",
    "Ctrl-C to stop",
)
PATIENCE = 120.0


class Failed(Exception):
    """The demo did not do what it promises."""


def main() -> int:
    """0 when the demo kept every promise; else each broken one is printed."""
    with tempfile.TemporaryDirectory(prefix="harness-check-") as scratch:
        try:
            text, code, terminal_is_sane = play(scratch)
        except Failed as failure:
            print(f"check_demo: {failure}")
            return 1
        problems = [f"its output lacks {pattern!r}" for pattern in PROMISED if not re.search(pattern, text)]
        if code != 130:
            problems.append(f"Ctrl-C ended it with {code}, not 130")
        if not terminal_is_sane:
            problems.append("it changed the settings of the terminal")
        problems += [f"a process is left: {process}" for process in leftovers(scratch)]
        problems += [f"a file is left: {path}" for path in Path(scratch).iterdir()]
    for problem in problems:
        print(f"check_demo: {problem}")
    if not problems:
        print("check_demo: Ctrl-C ended it with 130; no process, no file is left; the terminal is as it was")
    return bool(problems)


def play(scratch: str) -> tuple[str, int, bool]:
    """What the demo printed, its exit code, and whether it left the terminal as it was."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    demo = subprocess.Popen(
        [str(DEMO)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TMPDIR": scratch, "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=lambda: _make_terminal_ours(theirs),
    )
    text = ""
    pressed = False
    deadline = time.monotonic() + PATIENCE
    while demo.poll() is None:
        if time.monotonic() > deadline:
            os.killpg(demo.pid, 9)
            demo.wait()
            raise Failed(f"it still ran after {PATIENCE:.0f} s")
        text += plain(read(ours))
        # The worker's lines come last: once they are followed, everything has been shown.
        if not pressed and re.search(r"harness logs -f[\s\S]*worker\W+turn \d+", text):
            os.write(ours, b"\x03")
            pressed = True
    while piece := read(ours):
        text += plain(piece)
    sane = termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
    return text, demo.returncode, sane


def _make_terminal_ours(terminal: int) -> None:
    # A shell's background job ignores Ctrl-C, its children too, and a shell script can't change that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def read(terminal: int) -> str:
    """What comes within a moment, printed as it comes."""
    if not select.select([terminal], [], [], 0.2)[0]:
        return ""
    piece = os.read(terminal, 65536).decode(errors="replace")
    print(piece, end="", flush=True)
    return piece


def plain(text: str) -> str:
    """A text without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)


def leftovers(scratch: str) -> list[str]:
    """Processes of the demo that a second after its end are still there."""
    deadline = time.monotonic() + 1
    while (found := processes_of(scratch)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def processes_of(scratch: str) -> list[str]:
    """Every live process whose environment or command line names the scratch folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            if not command:  # a zombie, or the kernel's own
                continue
            if scratch.encode() in command or scratch.encode() in (folder / "environ").read_bytes():
                found.append(f"{folder.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
