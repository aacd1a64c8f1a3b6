"""What a checkup has found, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from harness_core.cli.checkup import Finding, Level
from harness_core.cli.text import Line, Span, Style, line, visible
from harness_core.cli.words import plural

_MARKS: Mapping[Level, Span] = {
    Level.OK: Span("✓", Style.GOOD),
    Level.NOTE: Span("·", Style.NAME),
    Level.WARNING: Span("!", Style.CARE),
    Level.ERROR: Span("✗", Style.BAD),
}


def finding_lines(name: str, finding: Finding) -> list[Line]:
    """A mark and a sentence, and below it what to do."""
    said = line(_MARKS[finding.level], " ", Span(f"{name}: ", Style.FAINT), visible(finding.message))
    return [said, line("    ", Span("fix: ", Style.NAME), visible(finding.fix))] if finding.fix else [said]


def finding_record(name: str, finding: Finding) -> Line:
    """The same as one record: `level name: message (fix)`."""
    return line(f"{finding.level} {name}: {visible(finding.message)}" + (f" ({visible(finding.fix)})" if finding.fix else ""))


def summary(findings: Mapping[str, Finding]) -> Line:
    """How many of each, in words."""
    counts = Counter(finding.level for finding in findings.values())
    bad = [plural(counts[level], level.value) for level in (Level.ERROR, Level.WARNING, Level.NOTE) if counts[level]]
    style = Style.BAD if counts[Level.ERROR] else Style.CARE if counts[Level.WARNING] else Style.GOOD
    return line(Span(", ".join(bad) if bad else "all is well", style))
