from __future__ import annotations

import pytest

from harness_core.engine.signals import UnknownSignal, signal_name


@pytest.mark.parametrize(
    ("written", "name"),
    [("TERM", "TERM"), ("SIGTERM", "TERM"), ("sigterm", "TERM"), (" hup ", "HUP"), ("15", "TERM"), ("iot", "ABRT")],
)
def test_a_signal_is_known_however_it_is_written(written: str, name: str) -> None:
    assert signal_name(written) == name


@pytest.mark.parametrize(
    ("written", "hint"),
    [("TREM", "TERM"), ("kil", "KILL"), ("SIGUSR", "USR"), ("0", "kill -l"), ("99999999", "kill -l"), ("²", "kill -l")],
)
def test_what_is_none_is_said_with_the_nearest(written: str, hint: str) -> None:
    with pytest.raises(UnknownSignal) as error:
        signal_name(written)

    assert hint in (error.value.hint or "")
