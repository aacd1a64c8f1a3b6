"""LayerContract: what a layer wraps still gets every byte of what it was given."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness_core.contracts.command import Command
from harness_core.contracts.layer import Layer
from harness_core.contracts.place import LOCAL, Place
from harness_core.plugins.catalog import Kind
from harness_core.testing.context import FakeContext
from harness_core.testing.kit.case import not_proved
from harness_core.testing.kit.hostile import HOSTILE
from harness_core.testing.kit.offer import OfferContract

_SHOW = (
    "import json, os, sys; print(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ), 'cwd': os.getcwd(),"
    " 'stdin': sys.stdin.read()}))"
)


class LayerContract(OfferContract):
    """Inherit, set `offer` and `config`. The commands are really run on this machine, through one, two and three layers."""

    kind = Kind.LAYER
    made = Layer

    def layer(self) -> Layer:
        """The layer, made from the offer."""
        made: Layer = self.offer.create(FakeContext())
        return made

    def python(self) -> str:
        """A Python at the place where the innermost command runs; it shows what arrived."""
        return sys.executable

    def run(self, command: Command) -> subprocess.CompletedProcess[bytes]:
        """What came of running an outer command. Override, or skip, where the layer needs something that isn't there."""
        return subprocess.run(
            command.argv,
            env=dict(command.env) or {"PATH": os.environ["PATH"]},
            cwd=command.cwd,
            input=command.prologue + (b"from stdin" if command.stdin else b""),
            capture_output=True,
            timeout=self.patience,
            check=False,
        )

    def wrapped(self, command: Command, *, depth: int) -> Command:
        """The command behind `depth` copies of the layer."""
        layer = self.layer()
        for _ in range(depth):
            command = layer.wrap(command, self.config)
        return command

    def shown(self, command: Command) -> Mapping[str, Any]:
        """What the innermost program saw of a command that runs `_SHOW`."""
        done = self.run(command)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr.decode(errors='replace')}"
        seen: Mapping[str, Any] = json.loads(done.stdout)
        return seen

    def showing(self, *arguments: str, **changes: Any) -> Command:
        """A command that shows its arguments, environment, folder and stdin."""
        base = Command((self.python(), "-c", _SHOW, *arguments), env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        return replace(base, **changes)

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_hostile_arguments_arrive_intact(self, depth: int) -> None:
        seen = self.shown(self.wrapped(self.showing(*HOSTILE.values()), depth=depth))

        assert seen["argv"] == list(HOSTILE.values())

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_hostile_variables_arrive_intact(self, depth: int) -> None:
        env = {f"HOSTILE_{number}": text for number, text in enumerate(HOSTILE.values())}
        command = self.showing()

        seen = self.shown(self.wrapped(replace(command, env={**command.env, **env}), depth=depth))

        assert {name: value for name, value in seen["env"].items() if name.startswith("HOSTILE_")} == env

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_the_folder_is_carried_across(self, depth: int, tmp_path: Path) -> None:
        folder = tmp_path / "a folder with spaces, a $HOME and an é"
        folder.mkdir()

        seen = self.shown(self.wrapped(self.showing(cwd=str(folder)), depth=depth))

        assert seen["cwd"] == str(folder)

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_stdin_is_carried_across(self, depth: int) -> None:
        if "stdin" not in self.layer().passes:
            not_proved(f"'{self.offer.name}' does not pass stdin")

        outer = self.wrapped(self.showing(stdin=True), depth=depth)

        assert outer.stdin
        assert self.shown(outer)["stdin"] == "from stdin"

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_the_exit_code_comes_back(self, depth: int) -> None:
        command = Command((self.python(), "-c", "raise SystemExit(23)"), env={"PATH": os.environ["PATH"]})

        done = self.run(self.wrapped(command, depth=depth))

        assert done.returncode == 23

    def test_a_terminal_is_asked_for_where_it_passes(self) -> None:
        layer = self.layer()
        if "tty" not in layer.passes:
            not_proved(f"'{self.offer.name}' does not pass a terminal")

        assert layer.wrap(replace(self.showing(), tty=True), self.config).tty

    def test_a_variable_that_was_not_given_does_not_appear(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HARNESS_KIT_LEAK", "leaked")

        seen = self.shown(self.wrapped(self.showing(), depth=1))

        assert "HARNESS_KIT_LEAK" not in seen["env"]

    def test_wrapping_is_pure(self) -> None:
        layer, command = self.layer(), self.showing(*HOSTILE.values(), cwd="/")

        first, second = layer.wrap(command, self.config), layer.wrap(command, self.config)

        assert first == second
        assert command == self.showing(*HOSTILE.values(), cwd="/")

    def test_what_it_passes_is_known(self) -> None:
        assert self.layer().passes <= {"stdin", "tty", "signals"}

    def test_it_is_described_in_a_few_words(self) -> None:
        words = self.layer().describe(self.config)

        assert words
        assert "\n" not in words

    def test_places_are_told_without_asking_anybody(self) -> None:
        layer = self.layer()
        outers = [LOCAL, Place(host="elsewhere"), Place(network="net", host_alias="10.0.0.1")]

        places = [layer.place(outer, self.config) for outer, _ in itertools.product(outers, range(2))]

        assert all(isinstance(place, Place) for place in places)
        assert places[0::2] == places[1::2]
