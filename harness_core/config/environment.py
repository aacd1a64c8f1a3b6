"""What a service inherits from the person who applies, and how paths and env files in a configuration are found."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from harness_core.config.nodes import Items, Pairs, Scalar

_BASE = frozenset({"PATH", "HOME", "USER", "SHELL", "LANG", "TZ", "TMPDIR", "SSH_AUTH_SOCK"})


def inherited(environ: Mapping[str, str], wanted: bool | tuple[str, ...]) -> dict[str, str]:
    """PATH, HOME … of an environment, and what `inherit_env` wants besides; True is everything."""
    return {
        name: value
        for name, value in environ.items()
        if wanted is True or name in _BASE or name.startswith("LC_") or (wanted and name in wanted)
    }


def absolute(path: str, *, base: str, home: str) -> str:
    """The path as seen from the config file's folder; `~` is the person's home."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return posixpath.normpath(posixpath.join(base, path))


def env_files(service: Pairs) -> Iterator[Scalar]:
    """Every path that a service names under `env_file`: one, or a list."""
    node = service.get("env_file")
    for item in node.items if isinstance(node, Items) else [node]:
        if isinstance(item, Scalar) and item.text:
            yield item


def inherit_names(service: Pairs) -> bool | tuple[str, ...]:
    """What a service's `inherit_env` says, as far as it can be read."""
    node = service.get("inherit_env")
    if isinstance(node, Scalar):
        return node.text.lower() in ("true", "yes", "on")
    if isinstance(node, Items):
        return tuple(item.text for item in node.items if isinstance(item, Scalar))
    return False
