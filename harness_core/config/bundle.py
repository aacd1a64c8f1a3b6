"""Bundle: all that a configuration is made from, gathered where the person is and sent to whoever parses it.

The daemon never reads the person's files or environment: parsing is a pure function of a bundle, the same for
`harness validate` offline and for `harness apply` through the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: its absolute path and text; `error` says why it could not be read."""

    path: str
    text: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """The config file, what it pulls in, and the values of variables as the person has them."""

    files: tuple[SourceFile, ...]
    """the config files that were named, later ones win; the first one's folder is the base of paths in all of them"""
    included: Mapping[str, SourceFile] = field(default_factory=dict)
    """by absolute path as it is written: every file that `include` brings in; `path` is its real one"""
    env_files: Mapping[str, SourceFile] = field(default_factory=dict)
    """by absolute path: every `env_file` that the config names"""
    variables: Mapping[str, str] = field(default_factory=dict)
    """environment over `.env`: only names that the text mentions"""
    environment: Mapping[str, str] = field(default_factory=dict)
    """PATH, HOME … and what `inherit_env` asks for (the whole environment for `true`)"""
    project: str | None = None
    """what `-p` says"""
    profiles: tuple[str, ...] = ()
    """what `--profile` says"""
    strict: bool = False
    home: str = "/"

    def find(self, path: str) -> SourceFile:
        """The included file at an absolute path; one with an `error` when it was not gathered."""
        return self.included.get(path) or SourceFile(path, error="it was not gathered")

    def to_json(self) -> dict[str, Any]:
        """The bundle as it stands on the wire."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Bundle:
        """The bundle that `to_json` wrote."""
        return cls(
            files=tuple(SourceFile(**f) for f in body["files"]),
            included={path: SourceFile(**f) for path, f in body.get("included", {}).items()},
            env_files={path: SourceFile(**f) for path, f in body["env_files"].items()},
            variables=body["variables"],
            environment=body["environment"],
            project=body["project"],
            profiles=tuple(body.get("profiles", ())),
            strict=body["strict"],
            home=body["home"],
        )
