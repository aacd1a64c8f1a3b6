"""Draft: a service as far as it could be read; what later checks between services need, even when parts of it are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from harness_core.config.nodes import Items, Node, Pairs, Scalar
from harness_core.config.schema import Offers
from harness_core.config.shape import Reader
from harness_core.contracts.offer import Capability, Offer
from harness_core.template import Reference, references


@dataclass(frozen=True, slots=True)
class Mention:
    """A reference where it was written."""

    reference: Reference
    node: Scalar
    path: str

    @property
    def in_health_check(self) -> bool:
        """Whether it is asked for by the service's own check, which looks from outside."""
        return ".health_check" in self.path


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all services of a file share."""

    offers: Offers
    settings: Mapping[str, Any]
    networks: Mapping[str, Any]
    bases: Mapping[str, str]
    """by a file's path, the folder that relative paths in it are seen from"""
    home: str
    lenient: bool = False
    """a plugin that is known and missing here is a warning"""
    stand_ins: dict[tuple[str, str], Offer] = field(default_factory=dict)
    """by kind and name, for what missing plugins offer"""

    def base_of(self, node: Node) -> str:
        """The folder that a relative path is seen from where this node was written."""
        return self.bases[node.file]


@dataclass(slots=True)
class Draft:
    """One service while it is read."""

    name: str
    node: Pairs
    reader: Reader
    around: Surroundings
    type: Scalar | None = None
    offer: Offer | None = None
    values: dict[str, Any] = field(default_factory=dict)
    """core keys as read; wrong ones are missing"""
    meant: set[str] = field(default_factory=set)
    """keys that were misspelt: they are wrong, but not missing"""
    block: dict[str, Any] = field(default_factory=dict)
    """canonical JSON; whole only when nothing is wrong"""
    implied: set[str] = field(default_factory=set)
    """those of its dependencies that nobody wrote: a reference implies them"""

    @property
    def path(self) -> str:
        """The path of the service's keys."""
        return f"services.{self.name}"

    @property
    def oneshot(self) -> bool:
        """Whether it should finish."""
        return self.values.get("oneshot") is True

    @property
    def has_check(self) -> bool:
        """Whether a check is written, right or wrong."""
        return "health_check" in self.node.pairs

    @property
    def guessed(self) -> bool:
        """Whether something stands in for an executor that is missing, so that nobody can tell what it needs."""
        return any(self.offer is stand_in for stand_in in self.around.stand_ins.values())

    def find_offer(self, kind: str, word: Scalar, path: str) -> Offer | None:
        """What a word offers; notes what is missing. A stand-in for what is known and may be missing."""
        around, name = self.around, word.text
        if found := around.offers.find(kind, name):
            return found
        missing = around.offers.missing(kind, name[:60])
        if around.lenient and around.offers.expects(kind, name):
            self.reader.warn("config.plugin-missing", missing.message, word, path, missing.hint)
            return around.stand_ins.setdefault((kind, name), _stand_in(name))
        self.reader.note("config.unknown-type", missing.message, word, path, missing.hint)
        return None

    def can(self, capability: Capability) -> bool:
        """Whether the executor has a capability; also when nobody knows the executor."""
        return self.offer is None or capability in self.offer.capabilities

    def require(self, capability: Capability, key: str, verb: str) -> bool:
        """Whether a key may be used; notes that the executor can't do what it takes."""
        if self.can(capability):
            return True
        assert self.offer is not None
        message = f"service '{self.name}' has '{key}', but executor '{self.offer.name}' cannot {verb} (no {capability.name})"
        self.reader.note("config.capability", message, self.node.key(key.partition(".")[0]), f"{self.path}.{key}")
        return False

    def mentions(self) -> Iterator[Mention]:
        """Every reference in the service's values, in the order of the file."""
        for name, (_, node) in self.node.pairs.items():
            if not name.startswith("x-"):
                yield from _mentions(node, f"{self.path}.{name}")


def _stand_in(name: str) -> Offer:
    """Takes whatever is written: nobody here can tell what is right."""

    def create(_context: object) -> NoReturn:
        raise AssertionError(f"{name} only stands for what is missing")

    # Patterns rather than `additionalProperties`: each key counts as known, and is never taken for a misspelt one of core's.
    return Offer(name, "", create, {"patternProperties": {"": {}}}, frozenset(Capability))


def _mentions(node: Node, path: str) -> Iterator[Mention]:
    if isinstance(node, Scalar):
        if "${" in node.text:
            yield from (Mention(reference, node, path) for reference in references(node.text))
    elif isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from _mentions(item, f"{path}[{index}]")
    else:
        for name, (_, item) in node.pairs.items():
            yield from _mentions(item, f"{path}.{name}")
