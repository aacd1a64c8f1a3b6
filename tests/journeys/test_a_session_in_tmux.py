"""A whole session as a newcomer has it, in a real terminal multiplexer: completion, a shell inside, attach, resize, Ctrl-C.

Everything is typed, and waited for on the screen.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PROJECT = """\
version: "1.0"
name: session
services:
  calm:
    type: process
    command: [sleep, "1000"]
    env: { GREETING: hello }
  console:
    type: process
    tty: true
    command: [sh, -c, 'trap "echo interrupted" INT; echo ready; while :; do read line && echo "<$line>"; done']
"""
WAITING = """\
version: "1.0"
name: waiting
services:
  slow:
    type: process
    command: [sh, -c, "echo slow begins; sleep 1000"]
    health_check: { command: "test -e never", interval: 200ms, start_period: 60s }
  late:
    type: process
    command: [sh, -c, "touch late-has-started; sleep 1000"]
    dependencies: { slow: healthy }
"""
RUNNING = """\
version: "1.0"
name: running
services:
  talk:
    type: process
    command: [sh, -c, "echo talk begins; sleep 1000"]
"""
STOPPING = """\
version: "1.0"
name: stopping
services:
  deaf:
    type: process
    command: [sh, -c, "trap '' TERM; echo deaf begins; while :; do sleep 0.1; done"]
    stop: { timeout: 600s }
"""


class Tmux:
    """A window of 40 rows and 120 columns with a bash in it."""

    def __init__(self, harness):
        self.folder = Path(tempfile.mkdtemp(prefix="h-"))  # short: a socket's path is limited
        self._command = ("tmux", "-S", str(self.folder / "tmux"), "-f", "/dev/null")
        self._harness = harness
        for name in ("person", "inside"):
            harness.write(f"PS1='{name}> '\n", f"{name}.bashrc")
        bash = "bash --noprofile --rcfile person.bashrc"
        self._tmux("new-session", "-d", "-x", "120", "-y", "40", bash, ";", "set", "-g", "status", "off")

    def types(self, text):
        """Type a text, as it is."""
        self._tmux("send-keys", "-l", text)

    def presses(self, *keys):
        """Press keys by tmux's names: Enter, Tab, C-c."""
        self._tmux("send-keys", *keys)

    def runs(self, line):
        """Type a line and press Enter."""
        self.types(line)
        self.presses("Enter")

    def code_is(self, word, code):
        """Ask the shell how the last command ended; `word` tells one question from the other."""
        self.sees(r"^person>$")
        self.runs(f'echo "{word}=$?"')
        self.sees(rf"^{word}={code}$")

    def sees(self, pattern):
        """Wait until the screen shows it."""
        deadline = time.monotonic() + 60
        while not re.search(pattern, screen := self.screen, re.MULTILINE):
            if time.monotonic() > deadline:
                pytest.fail(f"{pattern!r} is not on the screen:\n{screen.rstrip()}")
            time.sleep(0.05)

    @property
    def screen(self):
        """What the window shows, line by line, without blanks at their ends."""
        return "\n".join(line.rstrip() for line in self._tmux("capture-pane", "-p").splitlines())

    def resize(self, *, rows, columns):
        """Drag its corner."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def asks(self, what):
        """One of tmux's own variables about the window."""
        return self._tmux("display-message", "-p", what).strip()

    def close(self):
        """End it, and what runs in it."""
        self._tmux("kill-server")
        shutil.rmtree(self.folder)

    def _tmux(self, *words):
        done = subprocess.run(
            [*self._command, *words],
            env={**self._harness.env, "TERM": "xterm-256color"}, cwd=self._harness.project,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def window(harness):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    for name, text in (("", PROJECT), ("waiting", WAITING), ("running", RUNNING), ("stopping", STOPPING)):
        harness.write(text, f"{name}.yaml" if name else "services.yaml")
    window = Tmux(harness)
    try:
        window.sees(r"^person>$")
        yield window
    finally:
        window.close()


def test_a_whole_session(window, harness, eventually):
    window.runs("stty -g > before")
    window.runs('eval "$(harness completion bash)"')
    window.runs("harness up -d")
    window.code_is("up", 0)

    # A shell inside, found by its first letters.
    window.types("harness exec -it -e LEVEL=2 cal")
    window.presses("Tab")
    window.sees(r"^person> harness exec -it -e LEVEL=2 calm$")
    window.runs("bash --noprofile --rcfile inside.bashrc")
    window.sees(r"^inside>$")
    window.runs("stty size; echo $GREETING $LEVEL")
    window.sees(r"^40 120\nhello 2$")
    window.resize(rows=30, columns=100)
    window.runs("stty size")
    window.sees(r"^30 100$")
    window.runs("sleep 98765")
    eventually(lambda: [c for c in harness.strays() if c == "sleep 98765"], within=60)
    window.presses("C-c")
    eventually(lambda: not [c for c in harness.strays() if c == "sleep 98765"], within=60)
    window.runs("echo code=$?")
    window.sees(r"^code=130$")
    window.runs("exit 9")
    window.code_is("exec", 9)

    # The service's own terminal.
    window.runs("clear")
    window.types("harness att")
    window.presses("Tab")
    window.sees(r"^person> harness attach")
    window.types("con")
    window.presses("Tab")
    window.sees(r"^person> harness attach console")
    window.presses("Enter")
    window.sees("attached to console; Ctrl-P Ctrl-Q detaches")
    window.runs("are you there")
    window.sees("^<are you there>$")
    window.presses("C-c")
    window.sees(r"interrupted$")
    window.presses("C-p", "C-q")
    window.sees("^detached; console runs on$")
    window.code_is("attach", 0)

    # Ctrl-C in `up`: while it waits, when all runs, and while it stops.
    window.runs("clear; harness -f waiting.yaml up")
    window.sees("slow begins")
    window.presses("C-c")
    window.code_is("waiting", 130)
    window.runs("clear; harness -f running.yaml up")
    window.sees("talk begins")
    window.presses("C-c")
    window.code_is("running", 130)
    window.runs("clear; harness -f stopping.yaml up")
    window.sees("deaf begins")
    window.presses("C-c")
    window.sees("Ctrl-C again kills at once")
    window.presses("C-c")
    window.code_is("stopping", 130)
    assert not (harness.project / "late-has-started").exists()

    # And all is as it was.
    window.runs("stty -g > after; harness down")
    window.code_is("down", 0)
    assert (harness.project / "after").read_text() == (harness.project / "before").read_text()
    assert window.asks("#{alternate_on} #{cursor_flag}") == "0 1"
    assert not [command for command in harness.strays() if not command.startswith(("tmux", "bash"))]
