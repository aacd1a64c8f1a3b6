"""Errors as people and programs see them: a code, a sentence, the offending line, a hint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness_core.cli.text import Line, Span, Style, line, visible
from harness_core.contracts.errors import HarnessError


def error_lines(error: HarnessError) -> list[Line]:
    """The error for people."""
    lines = [line(Span(f"error[{error.kind}]: ", Style.BAD), visible(error.message))]
    for problem in _problems(error):
        lines += problem_lines(problem)
    if error.hint:
        lines += [line("  ", Span("hint: ", Style.NAME), visible(one)) for one in error.hint.splitlines()]
    return lines


def error_json(error: HarnessError) -> dict[str, Any]:
    """The error for programs."""
    data = dict(getattr(error, "data", {}))
    problems = list(_problems(error))
    if problems:
        data["problems"] = problems
    return {"error": {"kind": error.kind, "message": error.message, "hint": error.hint, **data}}


def problem_lines(problem: Mapping[str, Any]) -> list[Line]:
    """One problem of a configuration: where, what, the line itself with a caret, and what to do."""
    position = problem.get("position")
    where = f"{position['file']}:{position['line']}:{position['column']}: " if position else ""
    word = problem.get("severity", "error")
    style = Style.BAD if word == "error" else Style.CARE
    lines = [line(Span(where, Style.STRONG), Span(f"{word}: ", style), visible(problem["message"]))]
    source = problem.get("source")
    if position and source is not None:
        number = str(position["line"])
        # What stands before the caret is kept where it is a tab, so that the caret is below its character.
        before = "".join("\t" if c == "\t" else " " for c in source[: position["column"] - 1])
        lines.append(line(Span(f"  {number} | ", Style.FAINT), visible(source.rstrip("\n"))))
        lines.append(line(Span(f"  {' ' * len(number)} | ", Style.FAINT), before, Span("^", style)))
    if problem.get("hint"):
        lines.append(line("    ", Span("hint: ", Style.NAME), visible(problem["hint"])))
    return lines


def problem_record(problem: Mapping[str, Any]) -> str:
    """One problem as one record: `file:line:column: error: message (hint)`."""
    position = problem.get("position")
    where = f"{position['file']}:{position['line']}:{position['column']}: " if position else ""
    hint = f" ({problem['hint']})" if problem.get("hint") else ""
    return f"{where}{problem.get('severity', 'error')}: {problem['message']}{hint}"


def _problems(error: HarnessError) -> Iterable[Mapping[str, Any]]:
    """The problems of a configuration, whether it was checked here or by the daemon."""
    data: Mapping[str, Any] | None = getattr(error, "data", None)
    if data is not None:
        problems: Sequence[Mapping[str, Any]] = data.get("problems", ())
        return problems
    return [problem.to_json() for problem in getattr(error, "problems", ())]
