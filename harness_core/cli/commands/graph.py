"""`harness graph`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

import click

from harness_core.cli import options
from harness_core.cli.failures import UnknownService, UsageFault
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.project import gathered
from harness_core.cli.render_error import problem_record
from harness_core.cli.session import Session, pass_session

FORMATS = ("text", "mermaid", "dot", "json")


@pass_session
def graph(session: Session, services: tuple[str, ...], profiles: tuple[str, ...], form: str, dependents: bool) -> None:
    """Show who needs whom."""
    from harness_core.cli import diagram
    from harness_core.cli.render_graph import graph_lines, graph_sheet
    from harness_core.config.validate import parse
    from harness_core.plugins import discover

    output = session.output
    if dependents and not services:
        raise UsageFault("--dependents needs a service", hint="harness graph --dependents SERVICE")
    parsed = parse(gathered(session.settings, profiles=profiles), discover(), lenient=True)
    for problem in parsed.problems:
        output.say(problem_record(problem.to_json()))
    _refuse_unknown(services, parsed.project.services)
    shown = diagram.diagram_of(parsed.project, parsed.implied)
    if services:
        shown = shown.part(services, dependents=dependents)
    if session.settings.json or form == "json":
        output.json(diagram.as_json(shown))
    elif form == "mermaid":
        output.write(diagram.as_mermaid(shown))
    elif form == "dot":
        output.write(diagram.as_dot(shown))
    elif output.terminal:
        output.lines(graph_lines(shown))
    else:
        output.sheet(graph_sheet(shown))


def _refuse_unknown(named: Sequence[str], known: Collection[str]) -> None:
    unknown = [name for name in named if name not in known]
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "its services: " + ", ".join(sorted(known))
        raise UnknownService("no service " + ", ".join(f"'{name}'" for name in unknown) + " in the configuration", hint=hint)


command = HarnessCommand(
    "graph",
    callback=graph,
    params=[
        options.services(),
        options.profiles(),
        click.Option(
            ["--format", "form"], type=click.Choice(FORMATS), default="text", show_default=True, help="What to write it in."
        ),
        click.Option(["--dependents"], is_flag=True, help="Also what needs these services, directly or not."),
    ],
    help="Show who needs whom, and in which order services start, without a daemon.\n\n"
    "With names: these and what they need. An arrow leads from a service to what it needs; the word says what that must have "
    "reached before the service starts.",
    examples=(
        "harness graph",
        "harness graph db --dependents",
        "harness graph --format mermaid > graph.mmd",
        "harness graph --format dot | dot -Tsvg > graph.svg",
    ),
)
