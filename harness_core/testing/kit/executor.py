"""ExecutorContract: all that a launcher promises, gated by the capabilities that its offer declares."""

from __future__ import annotations

from harness_core.contracts.execution import Launcher
from harness_core.plugins.catalog import Kind
from harness_core.testing.kit.commands import CommandCases
from harness_core.testing.kit.launching import LaunchingCases
from harness_core.testing.kit.reading import ReadingCases
from harness_core.testing.kit.recovering import RecoveringCases
from harness_core.testing.kit.stopping import StoppingCases


class ExecutorContract(LaunchingCases, StoppingCases, RecoveringCases, ReadingCases, CommandCases):
    """Inherit, and set `offer` and `config`; override what `ExecutorPlaces` lists where a place differs from this machine."""

    kind = Kind.EXECUTOR
    made = Launcher
