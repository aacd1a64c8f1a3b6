"""Requests that change something: carry them out, show the outcome, end with its exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness_core.cli.elsewhere import remedy
from harness_core.cli.failures import exit_code_of_outcome
from harness_core.cli.follow import reconnect
from harness_core.cli.progress import await_outcome
from harness_core.cli.render_error import problem_record
from harness_core.cli.render_outcome import outcome_lines, verdict
from harness_core.cli.session import Session
from harness_core.protocol import StopServices

if TYPE_CHECKING:
    from harness_core.protocol import Request


def carry_out(session: Session, request: Request) -> int:
    """The exit code of a request whose reply is an Outcome, after showing it."""
    from harness_core.client import RemoteError  # not before it is needed: help and completion do without

    try:
        outcome = _awaited(session, request)
    except RemoteError as e:
        if e.kind == "project.unknown" and isinstance(request, StopServices) and request.services is None:
            return report(session, {"reached": True, "timed_out": False, "services": []})
        raise
    except KeyboardInterrupt:
        session.output.say("not waiting any longer; the daemon goes on with it: harness status")
        raise
    return report(session, outcome)


def _awaited(session: Session, request: Request) -> Any:
    """The outcome; where the daemon is killed meanwhile, the next one is asked again: what is reached already stays."""
    from harness_core.transport import ConnectionLost

    try:
        return await_outcome(session.client(), request, session.output)
    except ConnectionLost as e:
        if e.told:
            raise
        reconnect(session, e)
        return await_outcome(session.client(), request, session.output)


def report(session: Session, outcome: Mapping[str, Any]) -> int:
    """The exit code of an Outcome, after showing it."""
    output = session.output
    if output.settings.json:
        output.json(outcome)
    else:
        say_warnings(session, outcome.get("plan", {}))
        output.lines(outcome_lines(outcome, only_failures=output.settings.quiet))
        output.say(*verdict(outcome))
    return exit_code_of_outcome(outcome)


def say_warnings(session: Session, plan: Mapping[str, Any]) -> None:
    """What is doubtful in a configuration that was accepted."""
    problems = plan.get("problems", ())
    for problem in problems:
        session.output.say(problem_record(problem))
    if what_to_do := remedy(problems):
        session.output.warn(what_to_do)
