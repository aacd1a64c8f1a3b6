"""dotenv files: `NAME=value` lines, comments, `export`, quotes. Used for `.env` and for every `env_file`.

`'single quotes'` keep everything as it is; in `"double quotes"` \\n \\t \\r \\\\ \\" \\$ are escapes; outside of single
quotes `${NAME}` and `${NAME:-default}` are replaced, any other dollar is a dollar. Quoted values may span lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from harness_core.config.problem import Position, Problem

_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*")
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_EXPANSION = re.compile(r"\\(?P<escape>.)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "$": "$"}


@dataclass(slots=True)
class Variables:
    """What a dotenv file says: values by name, what is wrong in it, and names without a value with their lines."""

    values: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unset: dict[str, int] = field(default_factory=dict)


def parse_dotenv(text: str, *, file: str, lookup: Callable[[str], str | None]) -> Variables:
    """The variables of a file. `${NAME}` is what `lookup` says, else an earlier line of the file."""
    found = Variables()
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    at = counted = 0
    line = 1
    while at < len(text):
        if blank := _NOTHING.match(text, at):
            at = blank.end()
            continue
        line += text.count("\n", counted, at)
        counted = at
        try:
            at = _assignment(text, at, line, found, lookup)
        except _Wrong as wrong:
            found.problems.append(Problem("config.env-file", str(wrong), Position(file, line, 1), hint=wrong.hint))
            at = _next_line(text, at)
    return found


class _Wrong(Exception):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def _assignment(text: str, at: int, line: int, found: Variables, lookup: Callable[[str], str | None]) -> int:
    """Read one assignment; where the next line starts."""
    head = _LINE.match(text, at)
    if not head:
        raise _Wrong("expected NAME=value", "a name has letters, digits and '_'; a comment starts with '#'")
    name, start = head["name"], head.end()

    def expand(match: re.Match[str]) -> str:
        if escaped := match["escape"]:
            return _ESCAPES.get(escaped, "\\" + escaped) if quoted else match[0]
        value = lookup(match["name"])
        value = found.values.get(match["name"]) if value is None else value
        if not value and match["default"] is not None:
            return match["default"]
        if value is None:
            found.unset.setdefault(match["name"], line)
        return value or ""

    quoted = text[start : start + 1] == '"'
    if quoted or text[start : start + 1] == "'":
        whole = (_DOUBLE if quoted else _SINGLE).match(text, start)
        if not whole:
            raise _Wrong(f"the quote after {name}= is never closed")
        end = _NOTHING.match(text, whole.end())
        if not end:
            raise _Wrong(f"something follows the closing quote of {name}", "put the whole value into the quotes")
        value = _EXPANSION.sub(expand, whole[1]) if quoted else whole[1]
        stop = end.end()
    else:
        bare = _BARE.match(text, start)
        assert bare is not None
        value = _EXPANSION.sub(expand, _COMMENT.sub("", bare[0]).strip())
        stop = bare.end() + 1
    if "\0" in value:
        raise _Wrong(f"the value of {name} has a NUL character, which no environment can hold")
    found.values[name] = value
    return stop


def _next_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
