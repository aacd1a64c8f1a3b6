"""`harness config`."""

from __future__ import annotations

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.project import gathered
from harness_core.cli.render_error import problem_record
from harness_core.cli.session import Session, pass_session


@pass_session
def config(session: Session, profiles: tuple[str, ...]) -> None:
    """Show the configuration as it was understood."""
    from harness_core.config.describe import as_yaml, resolved
    from harness_core.config.validate import parse
    from harness_core.plugins import discover

    parsed = parse(gathered(session.settings, profiles=profiles), discover())
    for problem in parsed.problems:
        session.output.say(problem_record(problem.to_json()))
    if session.settings.json:
        session.output.json(resolved(parsed.project))
    else:
        session.output.write(as_yaml(parsed.project))


command = HarnessCommand(
    "config",
    callback=config,
    params=[options.profiles()],
    help="Show the configuration as it was understood: defaults filled in, variables resolved, secrets masked.\n\n"
    "Several files and what they include are shown as the one that they make. Reads files, not what is applied; "
    "-q leaves out warnings.",
    examples=("harness config", "harness config --json", "harness config -f services.yaml -f local.yaml"),
)
