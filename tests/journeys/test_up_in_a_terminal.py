"""A person says `harness up` in a terminal, looks, presses keys, and Ctrl-C: once for a graceful stop, twice for an end now."""

from __future__ import annotations

import re
import signal
import time

import pytest

ORDERLY = """\
version: "1.0"
name: orderly
services:
  db:
    type: process
    command: [sh, -c, "trap 'echo db ends; exit 0' TERM; echo db begins; while :; do sleep 0.1; done"]
  api:
    type: process
    command: [sh, -c, "trap 'echo api ends; exit 0' TERM; echo api begins; while :; do sleep 0.1; done"]
    dependencies: [db]
"""

STUBBORN = """\
version: "1.0"
name: stubborn
services:
  deaf:
    type: process
    command: [sh, -c, "trap '' TERM; echo deaf begins; while :; do sleep 0.1; done"]
    stop: { timeout: 60s }
"""

WAITING = """\
version: "1.0"
name: waiting
services:
  slow:
    type: process
    command: [sh, -c, "echo slow begins; while :; do sleep 0.1; done"]
    health_check: { command: "test -e never", interval: 200ms, start_period: 60s }
  late:
    type: process
    command: [sh, -c, "touch late-has-started; sleep 1000"]
    dependencies: { slow: healthy }
"""


def test_ctrl_c_once_stops_gracefully_in_reverse_order(harness):
    harness.write(ORDERLY)
    terminal = harness.terminal("up")
    terminal.expect("api begins")

    terminal.press("\x03")
    code = terminal.wait()

    assert code == 130
    assert not harness.strays()
    assert terminal.is_as_before
    stopped = [e["service"] for e in harness.events() if e["kind"] == "state" and e["new"] == "stopped"]
    assert stopped == ["api", "db"]
    assert harness.lines("db")[-1] == "db ends"


def test_ctrl_c_twice_kills_at_once(harness):
    harness.write(STUBBORN)
    terminal = harness.terminal("up")
    terminal.expect("deaf begins")

    terminal.press("\x03")
    terminal.expect("(?i)again|stopping")
    began = time.monotonic()
    terminal.press("\x03")
    code = terminal.wait()

    assert code == 130
    assert time.monotonic() - began < 10
    assert not harness.strays()
    assert terminal.is_as_before


def test_a_service_not_yet_started_is_never_started_after_ctrl_c(harness):
    harness.write(WAITING)
    terminal = harness.terminal("up")
    terminal.expect("slow begins")

    terminal.press("\x03")

    assert terminal.wait() == 130
    assert not harness.strays()
    assert not (harness.project / "late-has-started").exists()


def test_a_closed_terminal_is_a_stop_too(harness):
    harness.write(ORDERLY)
    terminal = harness.terminal("up")
    terminal.expect("api begins")

    terminal.process.send_signal(1)

    assert terminal.wait() == 129
    assert not harness.strays()


THREE = """\
version: "1.0"
name: keys
services:
  db:
    type: process
    command: [sh, -c, "trap 'exit 0' TERM; echo db begins; while :; do sleep 0.1; done"]
  api:
    type: process
    command: [sh, -c, "trap 'exit 0' TERM; echo api begins; while :; do sleep 0.1; done"]
    dependencies: [db]
  ticker:
    type: process
    command: [sh, -c, "n=0; while :; do echo tick $((n+=1)); sleep 0.1; done"]
"""


def up(harness, config: str = THREE):
    harness.write(config)
    terminal = harness.terminal("up")
    terminal.expect("3 services as wished")
    return terminal


def test_q_leaves_the_services_running_and_says_how_to_come_back(harness):
    terminal = up(harness)

    terminal.press("q")

    assert terminal.wait() == 0
    assert terminal.is_as_before
    assert "detached; services go on. Back here: harness up" in terminal.plain
    assert {service["state"] for service in harness.status().values()} == {"running"}


def test_q_before_anything_runs_leaves_the_start_to_the_daemon(harness, eventually):
    harness.write(WAITING)
    terminal = harness.terminal("up")
    terminal.expect("q detach")

    terminal.press("q")

    assert terminal.wait() == 0
    assert "the start goes on" in terminal.plain
    assert eventually(lambda: harness.service("late")["state"] == "waiting")


def test_s_stops_the_service_that_is_typed_and_r_starts_it_again(harness):
    terminal = up(harness)
    before = harness.service("api")["pid"]

    terminal.press("s")
    terminal.expect("stop which")
    terminal.press("ap\t\r")
    terminal.expect("✓ api  stopped")
    assert harness.service("api")["state"] == "stopped"
    assert harness.service("db")["state"] == "running"

    terminal.press("r")
    terminal.expect("restart which")
    terminal.press("api\r")
    terminal.expect("✓ api  running")
    assert harness.service("api")["pid"] != before

    terminal.press("\x03")
    assert terminal.wait() == 130
    assert not harness.strays()


def test_stopping_what_others_need_is_asked_about(harness):
    terminal = up(harness)

    terminal.press("sdb\r")
    terminal.expect(r"api depends on db and still runs\. Stop anyway\? \[y/N\]")
    terminal.press("n")
    terminal.press("sdb\r")
    terminal.expect(r"(?s)Stop anyway.*detach.*Stop anyway")
    assert harness.service("db")["state"] == "running"
    terminal.press("y")
    terminal.expect("✓ db  stopped")

    assert harness.service("db")["state"] == "stopped"


def test_stopping_all_of_them_ends_it(harness):
    terminal = up(harness)

    terminal.press("sall\r")

    assert terminal.wait() == 0
    assert "nothing runs any more" in terminal.plain
    assert terminal.is_as_before
    assert not harness.strays()


def test_a_filter_hides_the_other_logs_until_escape(harness, eventually):
    terminal = up(harness)
    terminal.expect(r"tick \d+")

    terminal.press("/api\r")
    terminal.expect("only 'api' from here on")
    hidden_from = len(terminal.plain)
    terminal.press("rapi\r")
    terminal.expect(r"(?s)from here on.*✓ api  running")
    assert "ticker |" not in terminal.plain[hidden_from:]
    assert re.search(r"api +\| api begins", terminal.plain[hidden_from:])

    terminal.press("\x1b")
    terminal.expect(r"all logs again; \d+ lines were not shown")
    terminal.expect(r"(?s)all logs again.*ticker \| tick")


def test_the_question_mark_explains_the_keys(harness):
    terminal = up(harness)

    terminal.press("?")

    terminal.expect("detach: services go on, this ends")
    terminal.expect("any key goes back")


def test_ctrl_z_gives_the_terminal_back_and_fg_goes_on(harness):
    harness.write(THREE)
    shell = interactive_shell(harness)
    shell.press("harness up\r")
    shell.expect("3 services as wished")
    shell.expect("q detach")

    shell.press("\x1a")
    shell.expect("Stopped +harness up")
    shell.press("stty -a\r")
    shell.expect(r"[^-]icanon")
    shell.expect(r"[^-]echo ")
    shell.press("fg\r")
    shell.expect("(?s)Stopped.*─{20}.*q detach")
    shell.press("q")

    shell.expect(r"(?s)detached; services go on.*[$#] $")
    assert harness.service("api")["state"] == "running"


def test_in_the_background_it_is_not_stopped_and_in_the_foreground_it_takes_keys(harness):
    harness.write(THREE)
    shell = interactive_shell(harness)
    shell.press("harness up &\r")
    shell.expect("3 services as wished")
    shell.expect(r"ticker \| tick")
    shell.press("jobs\r")
    shell.expect("Running +harness up &")
    assert "q detach" not in shell.plain

    shell.press("fg\r")
    shell.expect("q detach")
    shell.press("q")

    shell.expect(r"(?s)detached; services go on.*[$#] $")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_as_it_was(harness, number):
    terminal = up(harness)
    terminal.expect("q detach")
    assert not terminal.is_as_before

    terminal.process.send_signal(number)

    assert terminal.wait() == 128 + number
    assert terminal.is_as_before
    assert not harness.strays()


def test_a_daemon_that_was_ended_leaves_a_panel_that_can_still_be_left(harness):
    terminal = up(harness)
    terminal.expect("q detach")
    harness.ok("daemon", "stop")
    terminal.expect("connecting again")

    terminal.press("q")

    assert terminal.wait() == 0
    assert "detached; services run on without a daemon" in terminal.plain
    assert terminal.is_as_before
    assert harness.service("api")["state"] == "running"  # a command that starts the daemon again


def test_a_resized_terminal_is_drawn_anew(harness):
    terminal = up(harness)
    terminal.expect("─{119}")
    seen = len(terminal.plain)

    terminal.resize(columns=60, rows=12)

    terminal.expect(rf"(?s).{{{seen}}}.*(?<!─)─{{59}}(?!─)")


def test_without_a_keyboard_there_are_no_keys(harness):
    harness.write(THREE)
    shell = interactive_shell(harness)

    shell.press("harness up </dev/null\r")

    shell.expect("3 services as wished")
    shell.expect("running.*Ctrl-C stops")
    assert "q detach" not in shell.plain
    shell.press("\x03")
    shell.expect(r"(?s)kills at once.*[$#] $")


def test_a_dumb_terminal_gets_plain_lines(harness):
    harness.write(THREE)
    shell = interactive_shell(harness)

    shell.press("TERM=dumb harness up\r")
    shell.expect(r"ticker \| tick")
    seen = shell.text[shell.text.index("harness up") :]

    assert "\x1b[J" not in seen
    assert "─" not in seen
    shell.press("\x03")
    shell.expect(r"(?s)kills at once.*[$#] $")


def interactive_shell(harness):
    """A shell with job control, whose commands a person types."""
    command, harness.command = harness.command, ("bash", "--norc", "--noprofile", "-i")
    shell = harness.terminal()
    harness.command = command
    shell.expect("[$#] $")
    return shell
