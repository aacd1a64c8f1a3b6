"""identify: which project a configuration file stands for, without parsing it.

Most commands only need the project's id. They find the file and look for its `name:` line; YAML is read only where that
line is unusual.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

FILE_NAMES = ("services.yaml", "services.yml", "harness.yaml", "harness.yml")
_LONGEST = 63
_NAME_LINE = re.compile(r"^(?:name|\"name\"|'name')\s*:", re.MULTILINE)
_INCLUDE_LINE = re.compile(r"^(?:include|\"include\"|'include')\s*:", re.MULTILINE)
_PLAIN_NAME = re.compile(r"^name:[ \t]+([\"']?)([a-z][a-z0-9_.-]{0,62})\1[ \t]*(?:#.*)?$", re.MULTILINE)
_NO_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What YAML takes for something else than a name."""
_BLOCK_STYLE = re.compile(r"(?:\s*#.*\n|\s*\n|---[ \t]*\n)*[A-Za-z_]")


def locate(path: Path | None, cwd: Path) -> Path:
    """The configuration file: the one named, else the nearest one here or above. Raises ConfigNotFound."""
    if path is not None:
        named = cwd / path.expanduser()
        if named.is_dir():
            return _first_in(named) or _missing(f"no configuration in {named}: looked for {', '.join(FILE_NAMES)}")
        return named if named.exists() else _missing(f"no such file: {named}")
    for folder in (cwd, *cwd.parents):
        if found := _first_in(folder):
            return found
    where = f"{cwd} and its parent folders" if cwd.parent != cwd else str(cwd)
    return _missing(f"no configuration found: looked for {', '.join(FILE_NAMES)} in {where}")


def identify(path: Path | None, *, more: Sequence[Path] = (), cwd: Path, environ: Mapping[str, str], project: str | None) -> str:
    """The id of the project that is meant: `project` itself, or what the configuration file stands for with `more` over it."""
    if project is not None:
        return project
    files = [Path(os.path.realpath(locate(file, cwd))) for file in (path, *more)]
    name = _name_in(files, environ)
    return project_id(name or default_name(str(files[0].parent)), str(files[0]))


def project_id(name: str, path: str) -> str:
    """The id of a project with this name, made from the file at this real path."""
    return f"{name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def default_name(folder: str) -> str:
    """The name of a project that says none: its folder's, in the letters that names may have."""
    words = re.sub(r"[^a-z0-9_.-]+", "-", PurePosixPath(folder).name.lower()).strip("-._")
    return words[:_LONGEST] or "project"


def _name_in(files: Sequence[Path], environ: Mapping[str, str]) -> str | None:
    """The name that the last file gives that gives any; None: none, or a file can't be read."""
    for file in reversed(files):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        lines = len(_NAME_LINE.findall(text))
        plain = _PLAIN_NAME.search(text)
        if not _BLOCK_STYLE.match(text) or lines > 1 or (lines and (plain is None or plain[2] in _NO_TEXT)):
            return _parsed_name(files, environ)
        if plain is not None:
            return plain[2]
        if _INCLUDE_LINE.search(text):
            return _parsed_name(files, environ)
    return None


def _parsed_name(files: Sequence[Path], environ: Mapping[str, str]) -> str | None:
    from harness_core.config.document import assemble
    from harness_core.config.gather import gather
    from harness_core.config.interpolate import interpolate
    from harness_core.config.nodes import Scalar
    from harness_core.template import render

    bundle = gather(files[0], more=files[1:], cwd=files[0].parent, environ=environ)
    root = assemble(bundle.files, bundle.find, variables=bundle.variables, home=bundle.home).root
    node = interpolate(root, values=bundle.variables, strict=False).root.get("name") if root is not None else None
    return str(render(node.text, str)) if isinstance(node, Scalar) and node.text else None


def _missing(message: str) -> Path:
    from harness_core.config.problem import ConfigNotFound  # takes longer to import than all the rest of this to run

    raise ConfigNotFound(message, hint="write a services.yaml, or name a file with --file")


def _first_in(folder: Path) -> Path | None:
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
