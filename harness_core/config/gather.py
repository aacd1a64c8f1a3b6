"""gather: find the configuration and read all that it is made from, where the person is.

Runs in the command line before anything else: it parses YAML only when env files have to be found, and never checks.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness_core.config.bundle import Bundle, SourceFile
from harness_core.config.document import assemble
from harness_core.config.dotenv import parse_dotenv
from harness_core.config.environment import absolute, env_files, inherit_names, inherited
from harness_core.config.identity import locate
from harness_core.config.interpolate import MENTION, interpolate
from harness_core.config.load import MAX_BYTES
from harness_core.config.nodes import Pairs
from harness_core.config.problem import InvalidConfig, Position, Problem
from harness_core.template import render


def gather(
    path: Path | None,
    *,
    more: Sequence[Path] = (),
    cwd: Path,
    environ: Mapping[str, str],
    project: str | None = None,
    profiles: Sequence[str] = (),
    strict: bool = False,
) -> Bundle:
    """The bundle of a config file: the one named, else the nearest `services.yaml` here or above; `more` win over it.

    Raises ConfigNotFound, or InvalidConfig when `.env` can't be read. Files that can't be read otherwise are recorded in
    the bundle, so that parsing reports them together with everything else.
    """
    # The real path: it is the project's identity, and relative paths mean the same from everywhere.
    file = Path(os.path.realpath(locate(path, cwd)))
    home = environ.get("HOME") or str(Path.home())
    mains = (read(str(file)), *(read(os.path.realpath(locate(other, cwd))) for other in more))
    dotenv = _dotenv(file.parent / ".env", environ)
    known = {**dotenv, **environ}
    included: dict[str, SourceFile] = {}
    services, named = _read(mains, included, known, home)
    sources = {name: read(name) for name in sorted(named)}
    mentioned = {name for source in (*mains, *included.values(), *sources.values()) for name in MENTION.findall(source.text)}
    return Bundle(
        files=mains,
        included=included,
        env_files=sources,
        variables={name: known[name] for name in sorted(mentioned) if name in known},
        environment=_environment(environ, services),
        project=project,
        profiles=tuple(profiles),
        strict=strict,
        home=home,
    )


def read(path: str) -> SourceFile:
    """The file's text, or why there is none."""
    try:
        # Not blocking, and only what is a file: opening a FIFO would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return SourceFile(path, error="not a regular file")
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return SourceFile(path, error=error.strerror or str(error))
    except ValueError as error:
        return SourceFile(path, error=str(error))
    if len(data) > MAX_BYTES:
        return SourceFile(path, error=f"larger than {MAX_BYTES // 1024} KiB")
    return _decode(path, data)


def _decode(path: str, data: bytes) -> SourceFile:
    try:
        return SourceFile(path, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        other = " (it looks like UTF-16: save it as UTF-8)" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        return SourceFile(path, error=f"not UTF-8 in line {line}{other}")


def _dotenv(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    if not path.exists():
        return {}
    source = read(str(path))
    if source.error:
        raise InvalidConfig([Problem("config.env-file", f"can't read .env: {source.error}", Position(source.path, 1, 1))])
    parsed = parse_dotenv(source.text, file=source.path, lookup=environ.get)
    if parsed.problems:
        raise InvalidConfig(parsed.problems)
    return parsed.values


def _read(
    mains: Sequence[SourceFile], included: dict[str, SourceFile], known: Mapping[str, str], home: str
) -> tuple[list[Pairs], set[str]]:
    """The services and the env files that they name, as far as the files can be read; `included` gets what they include.

    What is wrong in them is for the parser to say; YAML is read only where the text may pull in something.
    """
    if not any(word in main.text for main in mains for word in ("include", "env_file", "inherit_env")):
        return [], set()

    def find(path: str) -> SourceFile:
        if path not in included:
            included[path] = read(os.path.realpath(path))
        return included[path]

    document = assemble(mains, find, variables=known, home=home)
    if document.root is None:
        return [], set()
    node = interpolate(document.root, values=known, strict=False).root.get("services")
    services = [s for _, s in node.pairs.values() if isinstance(s, Pairs)] if isinstance(node, Pairs) else []
    named = {
        absolute(str(render(file.text, str)), base=document.bases[file.file], home=home)
        for service in services
        for file in env_files(service)
    }
    return services, named


def _environment(environ: Mapping[str, str], services: list[Pairs]) -> dict[str, str]:
    wanted: set[str] = set()
    for names in _wishes(services):
        if names is True:
            return dict(environ)
        wanted.update(names or ())
    return inherited(environ, tuple(wanted))


def _wishes(services: list[Pairs]) -> Iterator[bool | tuple[str, ...]]:
    return (inherit_names(service) for service in services)
