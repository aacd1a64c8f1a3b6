"""FakeLayer: a layer that really runs, and leaves a mark in the environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.layer import Layer
from harness_core.contracts.offer import Offer


def fake_layer_offer(*, name: str = "fake", passes: frozenset[str] = frozenset({"stdin", "tty", "signals"})) -> Offer:
    """A layer whose config `{mark: a}` makes the inner command see FAKE_LAYER_a=1."""
    return Offer(
        name=name,
        summary="runs the command through env(1), for tests",
        create=lambda context: FakeLayer(passes),
        schema={
            "type": "object",
            "properties": {"mark": {"type": "string", "default": "x", "description": "What to leave in the environment."}},
        },
    )


class FakeLayer(Layer):
    """Carries environment and folder across by env(1), as a layer that goes somewhere else must carry them somehow."""

    def __init__(self, passes: frozenset[str] = frozenset({"stdin", "tty", "signals"})) -> None:
        self.passes = passes

    def wrap(self, command: Command, config: Any) -> Command:
        """The command behind `env -C folder NAME=value … sh -c 'exec "$@"'`; the outer environment is empty."""
        folder = ("-C", command.cwd) if command.cwd else ()
        env = {**command.env, f"FAKE_LAYER_{config.get('mark', 'x')}": "1"}
        # sh in between because env(1) would take a program whose name holds '=' for a variable.
        argv = ("env", *folder, *(f"{k}={v}" for k, v in env.items()), "sh", "-c", 'exec "$@"', "sh", *command.argv)
        return replace(command, argv=argv, env={}, cwd=None)

    def describe(self, config: Any) -> str:
        """Which mark it leaves."""
        return f"fake {config.get('mark', 'x')}"
