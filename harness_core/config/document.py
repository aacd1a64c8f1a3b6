"""assemble: the files of a configuration become one document; each node still knows which file it was written in.

Later files win over earlier ones, and a file wins over what it includes: mappings key by key, anything else as a whole;
`null` removes a key. Pure: files are found by a function, in a bundle or, where the bundle is made, on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from harness_core.config.bundle import SourceFile
from harness_core.config.environment import absolute
from harness_core.config.interpolate import interpolate
from harness_core.config.load import Spent, load
from harness_core.config.nodes import Items, Node, Pairs, Scalar, is_null, position
from harness_core.config.problem import Position, Problem
from harness_core.config.shape import shown
from harness_core.template import render

MAX_FILES = 100
"""So many times a configuration may include a file."""

Find = Callable[[str], SourceFile]
"""The file at an absolute path; one that is not there has its `error`."""


@dataclass(slots=True)
class Document:
    """Everything that the files say together; `root` None when one of them can't be read at all."""

    root: Pairs | None = None
    problems: list[Problem] = field(default_factory=list)
    files: dict[str, SourceFile] = field(default_factory=dict)
    """by path, in the order in which they were read"""
    secrets: set[str] = field(default_factory=set)
    """values of variables in paths of includes whose names say secret"""
    bases: dict[str, str] = field(default_factory=dict)
    """by a file's path, the folder that relative paths in it are seen from"""


def assemble(
    mains: Sequence[SourceFile], find: Find, *, variables: Mapping[str, str], home: str, strict: bool = False
) -> Document:
    """One document of the files that were named and of all that they include."""
    return _Assembly(mains, find, variables, home, strict).run()


def merge(under: Node, over: Node) -> Node:
    """Two values of one key: mappings key by key, where `null` removes; else the later one alone."""
    # What was included twice is the same node: there is nothing to merge.
    if under is over or not (isinstance(under, Pairs) and isinstance(over, Pairs)):
        return over
    pairs = dict(under.pairs)
    for name, (key, value) in over.pairs.items():
        known = pairs.get(name)
        if known is None:
            pairs[name] = (key, value)
        elif is_null(value):
            del pairs[name]
        elif isinstance(value, Pairs) and isinstance(known[1], Pairs):
            pairs[name] = (known[0], merge(known[1], value))
        else:
            pairs[name] = (key, value)
    return Pairs(under.file, under.line, under.column, pairs)


class _Assembly:
    def __init__(self, mains: Sequence[SourceFile], find: Find, variables: Mapping[str, str], home: str, strict: bool) -> None:
        self._mains, self._find = mains, find
        self._variables, self._home, self._strict = variables, home, strict
        self._document = Document(bases=dict.fromkeys((main.path for main in mains), _folder(mains[0].path)))
        self._done: dict[str, Pairs] = {}
        self._chain: list[str] = []
        self._spent = Spent()
        self._included = 0
        self._broken = False

    def run(self) -> Document:
        whole: Node | None = None
        for main in self._mains:
            if (root := self._read(main)) is not None:
                whole = root if whole is None else merge(whole, root)
        if not self._broken:
            assert isinstance(whole, Pairs)
            self._document.root = whole
        return self._document

    def _read(self, source: SourceFile) -> Pairs | None:
        """What a file says with all that it includes; None when it can't be read."""
        if source.path in self._done:
            return self._done[source.path]
        document = self._document
        document.files[source.path] = source
        document.bases.setdefault(source.path, _folder(source.path))
        if source.error:
            message = f"can't read the configuration: {source.error}"
            self._break([Problem("config.syntax", message, Position(source.path, 1, 1))])
            return None
        root, problems = load(source.text, file=source.path, spent=self._spent)
        if root is None:
            self._break(problems)
            return None
        document.problems += problems
        if "include" in root.pairs:
            root = self._with_included(source, root)
        self._done[source.path] = root
        return root

    def _with_included(self, source: SourceFile, root: Pairs) -> Pairs:
        node = root.pairs["include"][1]
        own = {name: pair for name, pair in root.pairs.items() if name != "include"}
        whole: Node | None = None
        self._chain.append(source.path)
        for item in self._paths(node):
            included = self._include(source, item)
            whole = included if whole is None or included is None else merge(whole, included)
        self._chain.pop()
        rest = Pairs(root.file, root.line, root.column, own)
        merged = rest if whole is None else merge(whole, rest)
        assert isinstance(merged, Pairs)
        # A file's own place stands for the whole: what is missing is missing there.
        return Pairs(root.file, root.line, root.column, merged.pairs)

    def _paths(self, node: Node) -> Iterator[Scalar]:
        """The paths below `include`, variables resolved."""
        holder = Pairs(node.file, node.line, node.column, {"include": (Scalar(node.file, node.line, node.column, ""), node)})
        resolved = interpolate(holder, values=self._variables, strict=self._strict)
        self._document.problems += resolved.problems
        self._document.secrets |= resolved.secrets
        value = resolved.root.pairs["include"][1]
        for item in value.items if isinstance(value, Items) else [value]:
            if isinstance(item, Scalar) and not is_null(item) and item.text:
                yield item
            else:
                self._note(f"include: expected a path, found {shown(item)}", item, kind="config.type")

    def _include(self, source: SourceFile, item: Scalar) -> Pairs | None:
        self._included += 1
        if self._included > MAX_FILES:
            if self._included == MAX_FILES + 1:
                self._note(f"more than {MAX_FILES} files are included", item, kind="config.too-big")
            return None
        path = absolute(str(render(item.text, str)), base=_folder(source.path), home=self._home)
        found = self._find(path)
        if found.error:
            self._note(f"can't read the included file {path}: {found.error}", item)
            return None
        if found.path in self._chain:
            loop = [*self._chain[self._chain.index(found.path) :], found.path]
            self._note("files include each other: " + " → ".join(loop), item, hint="take one of these includes out")
            return None
        return self._read(found)

    def _note(self, message: str, at: Node, *, kind: str = "config.include", hint: str | None = None) -> None:
        self._break([Problem(kind, message, position(at), "include", hint)])

    def _break(self, problems: list[Problem]) -> None:
        """Note why there will be no document; the other files are read all the same, for what is wrong in them."""
        self._document.problems += problems
        self._broken = True


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)
