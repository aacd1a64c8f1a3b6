"""`harness validate`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.failures import ExitCode
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.project import gathered
from harness_core.cli.render_error import problem_lines, problem_record
from harness_core.cli.session import Session, pass_session
from harness_core.cli.text import Span, Style
from harness_core.cli.words import plural


@pass_session
def validate(session: Session, profiles: tuple[str, ...], strict: bool) -> int:
    """Check the configuration."""
    from harness_core.config.problem import InvalidConfig
    from harness_core.config.validate import parse
    from harness_core.plugins import discover

    output = session.output
    try:
        parsed = parse(gathered(session.settings, profiles=profiles, strict=strict), discover())
    except InvalidConfig as e:
        if session.settings.json:
            raise
        _show(session, [problem.to_json() for problem in e.problems])
        output.say(Span(e.message, Style.BAD))
        return ExitCode.CONFIG
    problems = [problem.to_json() for problem in parsed.problems]
    project = parsed.project
    if session.settings.json:
        names = list(project.services)
        output.json({"valid": True, "project": project.id, "name": project.name, "services": names, "problems": problems})
        return ExitCode.REACHED
    _show(session, problems)
    services = plural(len(project.services), "service")
    doubts = f", {plural(len(problems), 'warning')}" if problems else ""
    output.say(Span(f"{project.path}: {services}, no errors{doubts}", Style.GOOD))
    return ExitCode.REACHED


def _show(session: Session, problems: list[dict[str, object]]) -> None:
    output = session.output
    for problem in problems:
        if output.terminal:
            output.lines(problem_lines(problem))
        else:
            output.write(problem_record(problem) + "\n")


command = HarnessCommand(
    "validate",
    callback=validate,
    params=[
        options.profiles(),
        click.Option(["--strict"], is_flag=True, help="A variable that is not set is an error, not a warning."),
    ],
    help="Check the configuration here, without a daemon: all problems at once, each with its place and what to do.\n\n"
    "Exit 3 when there are errors.",
    examples=("harness validate", "harness validate --strict", "harness validate -f other.yaml --json"),
)
