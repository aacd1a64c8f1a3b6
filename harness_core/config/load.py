"""YAML text → nodes with positions. Safe by construction: no tags that make objects, no duplicate keys, capped expansion.

The tree is built from parser events rather than by PyYAML's composer: depth is bounded while reading (no recursion, so
no crash on a million brackets), and an alias bomb is counted instead of expanded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from harness_core.config.nodes import Items, Node, Pairs, Scalar, position
from harness_core.config.problem import Position, Problem

MAX_BYTES = 1024 * 1024
MAX_EXPANDED = 10_000
"""Values that aliases may add to those that are written: an alias bomb is an error, not a hang."""
MAX_WRITTEN = 100_000
MAX_DEPTH = 64

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STANDARD_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({"!", _STANDARD_TAG + "str"})
_PLAIN_TAGS = frozenset(_STANDARD_TAG + word for word in ("int", "float", "bool", "null"))
_COLLECTION_TAGS = frozenset({"!", _STANDARD_TAG + "map", _STANDARD_TAG + "seq"})
_PROBLEM_LIMIT = 100


@dataclass(slots=True)
class Spent:
    """What the files of one configuration have used up so far: the caps hold for all of them together."""

    size: int = 0
    """bytes of text"""
    written: int = 0
    """keys and values that are written"""
    aliased: int = 0
    """values that aliases added to those"""


def load(text: str, *, file: str, spent: Spent | None = None, loader: Any = _LOADER) -> tuple[Pairs | None, list[Problem]]:
    """The root mapping of a YAML file, None when it can't be read at all, and what is wrong with the text."""
    text = text.removeprefix("\ufeff")
    spent = Spent() if spent is None else spent
    before, spent.size = spent.size, spent.size + len(text.encode("utf-8", "replace"))
    if spent.size > MAX_BYTES:
        what = "the files together are" if before else "the file is"
        return None, [Problem("config.too-big", f"{what} larger than {MAX_BYTES // 1024} KiB", Position(file, 1, 1))]
    if unprintable := _UNPRINTABLE.search(text):
        return None, [_unprintable(text, unprintable, file)]
    builder = _Builder(file, spent)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_syntax(error, text, file))
        return None, builder.problems
    except yaml.YAMLError as error:
        builder.problems.append(Problem("config.syntax", f"not YAML: {error}", Position(file, 1, 1)))
        return None, builder.problems
    except _Refused as refused:
        builder.problems.append(refused.problem)
        return None, builder.problems
    builder.finish()
    return _root(builder, file)


def _root(builder: _Builder, file: str) -> tuple[Pairs | None, list[Problem]]:
    root = builder.root
    if isinstance(root, Pairs):
        return root, builder.problems
    if root is None or (isinstance(root, Scalar) and root.plain and root.text in ("", "~", "null")):
        message, hint = "the file is empty", "write at least `services:` with one service"
    else:
        found = "a list" if isinstance(root, Items) else "text"
        message, hint = f"expected keys and values at the top, found {found}", "the file starts with keys such as `services:`"
    where = position(root) if root else Position(file, 1, 1)
    return None, [*builder.problems, Problem("config.syntax", message, where, hint=hint)]


class _Refused(Exception):
    """Reading ends here."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read yet."""

    node: Items | Pairs
    anchor: str | None
    key: Scalar | None = None
    size: int = 1
    depth: int = 1
    merges: list[tuple[Scalar, Node]] | None = None


class _Builder:
    """Builds the tree event by event; sizes and depths are those after all aliases are expanded."""

    def __init__(self, file: str, spent: Spent) -> None:
        self.file = file
        self.spent = spent
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._documents = 0
        self._size = 0
        self._before = spent.written
        self._most = MAX_EXPANDED - spent.aliased - spent.written

    def feed(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._open(event, Pairs(self.file, *_start(event), {}))
            case yaml.SequenceStartEvent():
                self._open(event, Items(self.file, *_start(event), []))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._refuse(event, "config.syntax", "a second document starts here", "keep one document in a file")

    def finish(self) -> None:
        """Take note of what aliases have added in this file."""
        self.spent.aliased += max(0, self._size - (self.spent.written - self._before))

    def _scalar(self, event: Any) -> None:
        plain = event.style in (None, "")
        if event.tag in _TEXT_TAGS:
            plain = False
        elif event.tag in _PLAIN_TAGS:
            plain = True
        elif event.tag is not None:
            raise self._unknown_tag(event)
        node = Scalar(self.file, *_start(event), event.value, plain)
        self._count(node)
        if "\0" in event.value:
            self._note(node, "config.value", "a NUL character can't stand in a configuration")
            node.text = node.text.replace("\0", "")
        if event.anchor:
            self._anchors[event.anchor] = (node, 1, 1)
        self._add(node, 1, 1)

    def _open(self, event: Any, node: Items | Pairs) -> None:
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            raise self._unknown_tag(event)
        if len(self._stack) >= MAX_DEPTH:
            raise self._too_deep(node)
        self._count(node)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(node, event.anchor))

    def _close(self) -> None:
        done = self._stack.pop()
        if isinstance(done.node, Pairs) and done.merges:
            self._merge(done.node, done.merges)
        if done.anchor:
            self._anchors[done.anchor] = (done.node, done.size, done.depth)
        self._add(done.node, done.size, done.depth)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise self._refuse(event, "config.syntax", f"no anchor '&{event.anchor}' before this alias")
        known = self._anchors[event.anchor]
        if known is None:
            raise self._refuse(event, "config.syntax", f"'*{event.anchor}' stands inside the value that it refers to")
        node, size, depth = known
        if self._expects_key() and isinstance(node, Scalar):
            node = Scalar(self.file, *_start(event), node.text, node.plain)
        self._add(node, size, depth)

    def _add(self, node: Node, size: int, depth: int) -> None:
        if not self._stack:
            self.root, self._size = node, size
            return
        parent = self._stack[-1]
        if isinstance(parent.node, Items):
            parent.node.items.append(node)
        elif parent.key is None:
            if not isinstance(node, Scalar):
                raise _Refused(Problem("config.syntax", "a key must be a single word or text", position(node)))
            parent.key = node
            return
        else:
            self._pair(parent, parent.key, node)
            parent.key = None
        parent.size += size
        parent.depth = max(parent.depth, depth + 1)
        if parent.size > self._most + self.spent.written:
            message = f"aliases expand to more than {MAX_EXPANDED:,} values"
            raise _Refused(Problem("config.too-big", message, position(node), hint="use fewer aliases of large values"))
        if parent.depth + len(self._stack) - 1 > MAX_DEPTH:
            raise self._too_deep(node)

    def _pair(self, parent: _Open, key: Scalar, value: Node) -> None:
        assert isinstance(parent.node, Pairs)
        if key.plain and key.text == "<<":
            parent.merges = parent.merges or []
            parent.merges.append((key, value))
        elif key.plain and key.text == "":
            self._note(key, "config.syntax", "a key is missing before ':'")
        elif first := parent.node.pairs.get(key.text):
            self._note(key, "config.duplicate-key", f"'{key.text}' is written twice; the first is in line {first[0].line}")
        else:
            parent.node.pairs[key.text] = (key, value)

    def _merge(self, node: Pairs, merges: list[tuple[Scalar, Node]]) -> None:
        for key, value in merges:
            for source in value.items if isinstance(value, Items) else [value]:
                if not isinstance(source, Pairs):
                    self._note(key, "config.syntax", "'<<' takes a mapping or a list of mappings, such as `<<: *defaults`")
                    continue
                for name, pair in source.pairs.items():
                    node.pairs.setdefault(name, pair)

    def _count(self, node: Node) -> None:
        self.spent.written += 1
        if self.spent.written > MAX_WRITTEN:
            raise _Refused(Problem("config.too-big", f"more than {MAX_WRITTEN:,} keys and values", position(node)))

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node, Pairs) and self._stack[-1].key is None

    def _note(self, node: Node, kind: str, message: str) -> None:
        if len(self.problems) < _PROBLEM_LIMIT:
            self.problems.append(Problem(kind, message, position(node)))

    def _refuse(self, event: Any, kind: str, message: str, hint: str | None = None) -> _Refused:
        return _Refused(Problem(kind, message, Position(self.file, *_start(event)), hint=hint))

    def _unknown_tag(self, event: Any) -> _Refused:
        tag = event.tag.replace(_STANDARD_TAG, "!!")
        return self._refuse(
            event, "config.syntax", f"the tag '{tag}' is not supported", "remove it; quote a value to make it text"
        )

    def _too_deep(self, node: Node) -> _Refused:
        return _Refused(Problem("config.too-big", f"nested deeper than {MAX_DEPTH} levels", position(node)))


def _start(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _unprintable(text: str, found: re.Match[str], file: str) -> Problem:
    before = text[: found.start()]
    where = Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
    message = f"the character U+{ord(found[0]):04X} can't stand in YAML"
    return Problem("config.syntax", message, where, hint="remove it, or write it as an escape in double quotes")


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    # The parser often notices only at the end of the text; point at the last line that exists.
    if line >= len(lines) > 0:
        line, column = len(lines) - 1, len(lines[-1])
    offending = lines[line] if lines else ""
    message, hint = error.problem or str(error), None
    if "\t" in offending[: len(offending) - len(offending.lstrip())]:
        message, hint = "a tab can't indent YAML", "use spaces"
    elif "mapping values are not allowed" in message:
        hint = "quote a value that contains ': ', and indent keys of one mapping alike"
    elif "start any token" in message:
        hint = "quote a value that starts with this character"
    elif error.context_mark and error.context:
        message += f" ({error.context} that starts in line {error.context_mark.line + 1})"
    return Problem("config.syntax", message, Position(file, line + 1, column + 1), hint=hint)
