"""Masking: secret values replaced wherever they appear in what we print."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

MASK = "••••••"

_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|KEY", re.IGNORECASE)
_SECRET_LINE = re.compile(r"""((?i:PASSWORD|SECRET|TOKEN|KEY)[\w.-]*["']?\s*[:=]\s*)(\S.*)""")
_ENVIRONMENTS = frozenset({"env", "inherited_env", "environment"})
_ORDINARY = frozenset({"true", "false", "none", "null"})


def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret: `DB_PASSWORD`, `client_secret`, `ApiToken`, `SSH_KEY`."""
    return _SECRET_NAME.search(name) is not None


def worth_masking(value: str) -> bool:
    """Whether a value is masked wherever it appears, and not only under its own key.

    Short words and small numbers (`TOKEN_TTL: 3600`) would blot out half of all output without hiding anything.
    """
    return len(value) >= 4 and value.lower() not in _ORDINARY and not (value.isdigit() and len(value) < 8)


def mask(value: Any, secrets: Collection[str]) -> Any:
    """The JSON value with every secret replaced, in keys and texts; in environments also what stands under a secret name."""
    return masker(secrets)(value)


def masker(secrets: Collection[str]) -> Callable[[Any], Any]:
    """`mask` for these secrets, prepared once for many values."""
    pattern = _pattern(secrets)
    return lambda value: _mask(value, pattern, environment=False)


def mask_line(line: str) -> str:
    """A line of a configuration file without what follows a secret name; for showing a line before it is understood."""
    return _SECRET_LINE.sub(lambda m: m[1] + MASK, line)


def _pattern(secrets: Collection[str]) -> re.Pattern[str] | None:
    # Longest first: a secret that contains another one must not leave its rest behind.
    ordered = sorted({s for s in secrets if s}, key=lambda s: (-len(s), s))
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def _mask(value: Any, pattern: re.Pattern[str] | None, *, environment: bool) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value) if pattern else value
    if isinstance(value, Mapping):
        return {
            _mask(key, pattern, environment=False): MASK
            if environment and isinstance(key, str) and isinstance(item, str | int | float) and item != "" and is_secret_name(key)
            else _mask(item, pattern, environment=key in _ENVIRONMENTS)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mask(item, pattern, environment=False) for item in value]
    return value
