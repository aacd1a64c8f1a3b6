"""Signals as people write them: with or without SIG, in small letters, as numbers."""

from __future__ import annotations

import difflib
import signal

from harness_core.contracts.errors import HarnessError

NAMES = {number: number.name.removeprefix("SIG") for number in signal.Signals}


class UnknownSignal(HarnessError):
    """What was written is no signal."""

    kind = "signal.unknown"


def signal_name(text: str) -> str:
    """`TERM` for `SIGTERM`, `term` and `15`; raises UnknownSignal, suggesting the nearest."""
    word = text.strip().upper().removeprefix("SIG")
    if word in NAMES.values():
        return word
    if word.isdecimal() and int(word[:4]) in NAMES:
        return NAMES[signal.Signals(int(word[:4]))]
    # Aliases (IOT, POLL, …) are members too, under the name of the one they stand for.
    if (alias := signal.Signals.__members__.get(f"SIG{word}")) is not None:
        return NAMES[alias]
    close = difflib.get_close_matches(word, NAMES.values(), n=1)
    hint = f"did you mean {close[0]}?" if close else "`kill -l` lists them; 0 is none, it only looks whether there is a process"
    raise UnknownSignal(f"no signal {text[:50]!r}", hint=hint)
