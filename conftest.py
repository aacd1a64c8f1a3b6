"""In CI a test may be skipped only for a reason that `tests/allowed-skips.txt` names: a skip is a hole in the proof."""

from __future__ import annotations

import fnmatch
import os
import signal
from pathlib import Path

import pytest

ALLOWED = Path(__file__).parent / "tests" / "allowed-skips.txt"


def allowed_patterns(text: str) -> list[str]:
    """The patterns of an allow-list: one a line, `#` starts a comment."""
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def unexpected(reasons: list[str], patterns: list[str]) -> list[str]:
    """The reasons that no pattern allows."""
    return sorted({reason for reason in reasons if not any(fnmatch.fnmatch(reason, pattern) for pattern in patterns)})


def pytest_configure() -> None:
    """Let Ctrl-C mean something to what tests start: a shell's background job ignores it, and so would every child."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that skipped for a reason which nobody allowed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or reporter is None:
        return
    reasons = [_reason(report) for report in reporter.stats.get("skipped", [])]
    found = unexpected(reasons, allowed_patterns(ALLOWED.read_text()))
    session.config.stash[_unexpected] = found
    if found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name those reasons."""
    found = config.stash.get(_unexpected, [])
    if found:
        terminalreporter.section("skips that tests/allowed-skips.txt does not allow", red=True)
        for reason in found:
            terminalreporter.write_line(reason)


_unexpected = pytest.StashKey[list[str]]()


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    text = where[2] if isinstance(where, tuple) else str(where)
    return text.removeprefix("Skipped: ")
