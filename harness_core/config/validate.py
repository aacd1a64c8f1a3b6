"""parse: a bundle and a catalog become a project, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from harness_core.config.bundle import Bundle
from harness_core.config.core_keys import DEFINITIONS, NAME_PATTERN, NETWORK, TOP
from harness_core.config.document import assemble
from harness_core.config.draft import Draft, Surroundings
from harness_core.config.environment import absolute
from harness_core.config.identity import default_name, project_id
from harness_core.config.interpolate import interpolate
from harness_core.config.model import ProjectConfig, project_from_json
from harness_core.config.nodes import Pairs, find
from harness_core.config.plugin_keys import PluginKeys
from harness_core.config.problem import InvalidConfig, Problem
from harness_core.config.relations import relate
from harness_core.config.schema import Offers
from harness_core.config.service import read_service
from harness_core.config.shape import WRONG, Reader, shown
from harness_core.contracts.offer import Offer
from harness_core.mask import mask_line, masker, worth_masking
from harness_core.template import render

_LONGEST_LINE = 300
_PROPERTY_SEGMENT = re.compile(r"\.(host|ip|port|url)(\.|\Z)")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A project that can be, and the warnings about it."""

    project: ProjectConfig
    problems: tuple[Problem, ...]
    implied: Mapping[str, frozenset[str]]
    """for each service, the dependencies that its references imply and nobody wrote"""


def parse(bundle: Bundle, catalog: Offers, *, lenient: bool = False) -> Parsed:
    """The project that a bundle describes, with the plugins of a catalog. Pure.

    Raises InvalidConfig with all problems, in the order of the file. When `lenient`, a plugin that is known but broken, disabled
    or not installed is a warning: services that need none of it can be run all the same. A name that nobody knows is an error.
    """
    return _Parser(bundle, _keys_of(catalog), lenient=lenient).parse()


@dataclass(slots=True)
class _KeyCache:
    """Prepared schemas of one catalog's offers."""

    catalog: Offers
    _prepared: dict[tuple[str, str], PluginKeys]

    def of(self, kind: str, offer: Offer) -> PluginKeys:
        key = kind, offer.name
        if key not in self._prepared:
            self._prepared[key] = PluginKeys(offer, kind)
        return self._prepared[key]


_latest: list[_KeyCache] = []
"""The last catalog's, at most one: a process has one catalog, and building validators takes longer than using them."""


def _keys_of(catalog: Offers) -> _KeyCache:
    if not _latest or _latest[0].catalog is not catalog:
        _latest[:] = [_KeyCache(catalog, {})]
    return _latest[0]


class _Parser:
    def __init__(self, bundle: Bundle, keys: _KeyCache, *, lenient: bool) -> None:
        self._bundle = bundle
        self._lenient = lenient
        self._keys = keys
        self._path = bundle.files[0].path
        self._document = assemble(bundle.files, bundle.find, variables=bundle.variables, home=bundle.home, strict=bundle.strict)
        self._reader = Reader({**DEFINITIONS, "network": NETWORK})
        self._secrets: set[str] = set()

    def parse(self) -> Parsed:
        root = self._root()
        top = self._top(root)
        networks = self._networks(top, root)
        around = Surroundings(
            self._keys.catalog, _settings(top), networks, self._document.bases, self._bundle.home, self._lenient
        )
        drafts = self._drafts(root, around)
        for draft in drafts.values():
            read_service(draft, self._bundle, self._keys.of)
        relate(drafts, self._bundle.profiles)
        self._check_profiles(drafts)
        name, identity = self._identity(top)
        for draft in drafts.values():
            # Each has problems and secrets of its own while it is read; here they come together.
            draft.block["secrets"] = sorted({*draft.block["secrets"], *_found_in(draft.block, self._secrets)})
            self._reader.problems += draft.reader.problems
            self._secrets.update(draft.block["secrets"])
        problems = self._finished()
        if any(problem.severity == "error" for problem in problems):
            raise InvalidConfig(problems)
        body = {
            "id": identity,
            "name": name,
            "path": self._path,
            "description": render(top.get("description", ""), str),
            "services": {draft.name: draft.block for draft in drafts.values()},
            "networks": networks,
            "profiles": list(self._bundle.profiles),
        }
        implied = {draft.name: frozenset(draft.implied) for draft in drafts.values()}
        return Parsed(project_from_json(body), problems, implied)

    def _root(self) -> Pairs:
        """The document with variables resolved; raises when there is nothing to go on with."""
        document = self._document
        self._reader.problems += document.problems
        self._secrets |= {secret for secret in document.secrets if worth_masking(secret)}
        if document.root is None:
            raise InvalidConfig(self._finished())
        result = interpolate(document.root, values=self._bundle.variables, strict=self._bundle.strict)
        self._reader.problems += result.problems
        self._secrets |= {secret for secret in result.secrets if worth_masking(secret)}
        return result.root

    def _top(self, root: Pairs) -> dict[str, Any]:
        """The keys of the top but for services, those that are right."""
        top: dict[str, Any] = {}
        for name, (key, value) in root.pairs.items():
            if name.startswith("x-") or name == "services":
                continue
            if name not in TOP:
                self._reader.unknown_key(key, TOP, "")
            elif (read := self._reader.read(value, TOP[name], name)) is not WRONG:
                top[name] = read
        return top

    def _networks(self, top: dict[str, Any], root: Pairs) -> dict[str, Any]:
        def resolve(path: str, *steps: str | int) -> str:
            base = self._document.bases[find(root, ["networks", *steps]).file]
            return absolute(path, base=base, home=self._bundle.home)

        networks: dict[str, Any] = render(top.get("networks", {}), str)
        for name, network in networks.items():
            if "config" in network:
                network["config"] = resolve(network["config"], name, "config")
            for index, node in enumerate(network.get("nodes", ())):
                if "ssh_key" in node:
                    node["ssh_key"] = resolve(node["ssh_key"], name, "nodes", index, "ssh_key")
        return networks

    def _drafts(self, root: Pairs, around: Surroundings) -> dict[str, Draft]:
        services, note = root.get("services"), self._reader.note
        if services is None:
            note("config.missing-key", "'services' is missing", root, "services", "write at least one service below `services:`")
            return {}
        if not isinstance(services, Pairs):
            note("config.type", f"services: expected a mapping, found {shown(services)}", services, "services")
            return {}
        drafts: dict[str, Draft] = {}
        for name, (key, node) in services.pairs.items():
            self._check_name(name, key)
            if isinstance(node, Pairs):
                drafts[name] = Draft(name, node, Reader(self._reader.definitions, self._reader.suggestions), around)
            else:
                note("config.type", f"service '{name[:63]}': expected a mapping, found {shown(node)}", node, f"services.{name}")
                # It stays known, so that services which depend on it are not blamed as well.
                empty = Pairs(node.file, node.line, node.column, {})
                drafts[name] = Draft(name, empty, _Deaf(self._reader.definitions, self._reader.suggestions), around)
        return drafts

    def _check_name(self, name: str, key: Any) -> None:
        path = f"services.{name}"
        if not re.fullmatch(NAME_PATTERN, name):
            hint = "lower-case letters, digits, '_', '.' and '-', a letter or digit first, at most 63"
            self._reader.note("config.name", f"a service can't be called '{name[:80]}'", key, path, hint)
        elif word := _PROPERTY_SEGMENT.search(name):
            # `${a.port.b}` must mean one thing.
            message = f"a service can't be called '{name}': '.{word[1]}' is how references ask for a property"
            self._reader.note("config.name", message, key, path, "use '-' instead of '.'")

    def _check_profiles(self, drafts: Mapping[str, Draft]) -> None:
        """A profile that nobody has is a typo."""
        known = {profile for draft in drafts.values() for profile in draft.values.get("profiles", ())}
        for profile in self._bundle.profiles:
            if profile not in known and profile != "*":
                hint = self._reader.suggestions.suggest(profile, known) or (
                    f"known: {', '.join(sorted(known))}" if known else "no service has `profiles`"
                )
                self._reader.note("config.unknown-profile", f"no service has the profile '{profile[:60]}'", None, "", hint)

    def _identity(self, top: dict[str, Any]) -> tuple[str, str]:
        """The project's name and id."""
        named = self._bundle.project
        if named is not None:
            if not re.fullmatch(NAME_PATTERN, named):
                hint = "lower-case letters, digits, '_', '.' and '-', at most 63"
                self._reader.note("config.name", f"a project can't be called '{named[:80]}'", None, "name", hint)
            return named, named
        name = top.get("name") or default_name(str(PurePosixPath(self._path).parent))
        return name, project_id(name, self._path)

    def _finished(self) -> tuple[Problem, ...]:
        """All problems, each once, in the order of the files, with the offending line, secrets masked."""
        unique: dict[tuple[Any, ...], Problem] = {}
        for problem in self._reader.problems:
            unique.setdefault((problem.kind, problem.message, problem.position), problem)
        hide = masker(self._secrets)
        files = self._document.files
        rank = {path: number for number, path in enumerate(files)}
        lines = {path: file.text.splitlines() for path, file in files.items()} if unique else {}
        # Many problems may stand in one long line: it is prepared once.
        sources: dict[tuple[str, int], str] = {}
        shown = []
        for problem in sorted(unique.values(), key=lambda problem: _order(problem, rank)):
            at, source = problem.position, None
            if at and 0 < at.line <= len(lines.get(at.file, ())):
                place = at.file, at.line
                if place not in sources:
                    sources[place] = hide(mask_line(lines[at.file][at.line - 1]))[:_LONGEST_LINE]
                source = sources[place]
            shown.append(replace(problem, message=hide(problem.message), hint=hide(problem.hint), source=source))
        return tuple(shown)


class _Deaf(Reader):
    """Reads something that is known to be wrong already: nothing more is said about it."""

    def note(self, *_args: Any, **_more: Any) -> None:
        """Say nothing."""


def _settings(top: dict[str, Any]) -> dict[str, Any]:
    defaults = {"startup_timeout": 60.0, "shutdown_timeout": 10.0, "health_check_interval": 10.0}
    return {**defaults, **top.get("settings", {})}


def _order(problem: Problem, rank: Mapping[str, int]) -> tuple[Any, ...]:
    at = problem.position
    # Env files come after what names them.
    return (rank.get(at.file, len(rank)), at.file, at.line, at.column) if at else (-1, "", 0, 0)


def _found_in(block: Any, secrets: Iterable[str]) -> Iterator[str]:
    """The secrets that appear anywhere in a block."""
    secrets = list(secrets)
    if secrets:
        texts = "\0".join(_texts(block)).replace("$$", "$")
        yield from (secret for secret in secrets if secret in texts)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
