"""`harness doctor`."""

from __future__ import annotations

from harness_core.cli.failures import ExitCode
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session


@pass_session
def doctor(session: Session) -> int:
    """Look for what would bite."""
    from harness_core.cli.checkup import Level, examine
    from harness_core.cli.facts import gather
    from harness_core.cli.render_doctor import finding_lines, finding_record, summary

    output = session.output
    findings = examine(gather())
    well = not any(finding.level is Level.ERROR for finding in findings.values())
    if session.settings.json:
        rows = [{"check": n, "level": f.level, "message": f.message, "fix": f.fix} for n, f in findings.items()]
        output.json({"well": well, "findings": rows})
    else:
        quiet = (Level.OK, Level.NOTE) if session.settings.quiet else ()
        shown = {name: finding for name, finding in findings.items() if finding.level not in quiet}
        if output.terminal:
            output.lines(one for name, finding in shown.items() for one in finding_lines(name, finding))
        else:
            output.lines(finding_record(name, finding) for name, finding in shown.items())
        output.say(*summary(findings))
    return ExitCode.REACHED if well else ExitCode.NOT_REACHED


command = HarnessCommand(
    "doctor",
    callback=doctor,
    help="Look at this machine, this environment and this user's harness for what would bite, and say what to do.\n\n"
    "Changes nothing, starts nothing, needs neither a configuration nor a daemon. Exit 1 when there is an error: then nothing "
    "works. With -q: errors and warnings alone.",
    examples=("harness doctor", "harness doctor -q", "harness doctor --json"),
)
