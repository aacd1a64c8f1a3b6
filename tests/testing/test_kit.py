"""The kit catches what it is there to catch, and says what it did not look at."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAD = """
import asyncio
from dataclasses import replace
from harness_core.contracts import Exit, OutputQuery
from harness_core.testing import ExecutorContract, FakeLauncher, FakeWorld, fake_offer
from harness_core.testing.fakes.handle import FakeHandle

world = FakeWorld()

class Kit(ExecutorContract):
    offer = fake_offer(world)
    def running(self, mark="kit"):
        return self.spec()
    def exiting(self, code):
        return self.spec(config={"after": 0, "code": code})
    def printing(self, lines, *, running=False):
        return self.spec(config={"output": list(lines), **({} if running else {"after": 0})})
    async def living(self, mark):
        return ()
"""

# A fault that is planted in the fake executor, and a case that has to notice it.
FAULTS = {
    "test_the_exit_code_is_true": """
        async def wait(self):
            return replace(await original(self), code=0)
        original, FakeHandle.wait = FakeHandle.wait, wait
    """,
    "test_launching_a_run_that_exists_returns_that_run": """
        async def launch(self, spec):
            return self._handle(self.world.start(spec))
        FakeLauncher.launch = launch
    """,
    "test_a_cancelled_wait_has_no_effect": """
        async def wait(self):
            try:
                return await original(self)
            except asyncio.CancelledError:
                await self.kill()
                raise
        original, FakeHandle.wait = FakeHandle.wait, wait
    """,
    "test_dispose_may_be_asked_twice": """
        async def dispose(self):
            del self._world.runs[self._run.spec.run]
        FakeHandle.dispose = dispose
    """,
    "test_a_finished_run_is_recovered_with_its_exit": """
        async def recover(self, spec, state):
            handle = await original(self, spec, state)
            return handle if handle and handle._run.exit is None else None
        original, FakeLauncher.recover = FakeLauncher.recover, recover
    """,
    "test_a_state_of_a_newer_version_is_refused": """
        async def recover(self, spec, state):
            return await original(self, spec, None)
        original, FakeLauncher.recover = FakeLauncher.recover, recover
    """,
    "test_a_survey_finds_what_carries_our_mark": """
        async def survey(self):
            return ()
        FakeLauncher.survey = survey
    """,
    "test_output_is_resumed_at_every_cursor": """
        async def output(self, query=OutputQuery()):
            async for chunk in original(self, replace(query, since=None)):
                yield chunk
        original, FakeHandle.output = FakeHandle.output, output
    """,
    "test_followed_output_ends_when_the_run_is_killed": """
        async def output(self, query=OutputQuery()):
            async for chunk in original(self, query):
                yield chunk
            if query.follow:
                await asyncio.Event().wait()
        original, FakeHandle.output = FakeHandle.output, output
        Kit.patience = 1.0
    """,
    "test_kill_may_be_asked_twice_and_after_the_end": """
        async def kill(self):
            if self._run.exit is not None:
                raise RuntimeError("no such process")
            await original(self)
        original, FakeHandle.kill = FakeHandle.kill, kill
    """,
    "test_closing_the_executor_stops_no_service": """
        async def aclose(self):
            for run in self.world.runs.values():
                self.world.finish(run, Exit(0))
        FakeLauncher.aclose = aclose
    """,
}


def kit(code: str, case: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What pytest says of one case of the kit, in a process of its own."""
    (folder / "test_it.py").write_text(HEAD + textwrap.dedent(code) + "\nclass TestIt(Kit):\n    pass\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", case, "test_it.py"]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("case", FAULTS)
def test_a_planted_fault_is_noticed(case: str, tmp_path: Path) -> None:
    answer = kit(FAULTS[case], case, tmp_path)

    assert answer.returncode == 1, answer.stdout
    assert f"FAILED test_it.py::TestIt::{case}" in answer.stdout


def test_what_was_not_proved_is_listed_with_its_reason(tmp_path: Path) -> None:
    answer = kit("", "stdin_arrives or lost_link_is_reported or hostile_arguments_arrive", tmp_path)

    assert answer.returncode == 0, answer.stdout
    assert "not proved by the conformance kit" in answer.stdout
    assert "TestIt: 1 case: no `break_link`: nothing was shown about a lost link" in answer.stdout
    assert "TestIt: 1 case: 'fake' does not declare COMMAND" in answer.stdout
    assert "TestIt: 1 case: 'fake' declares no COMMAND and the test class overrides no `shell`" in answer.stdout


def test_the_pytest_plugin_imports_nothing_of_harness(tmp_path: Path) -> None:
    code = (
        "import sys, harness_core.testing.pytest_plugin;"
        "print([m for m in sys.modules if m.startswith('harness_core.') and 'pytest_plugin' not in m])"
    )

    argv, env = [sys.executable, "-c", code], {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)

    assert answer.stdout.strip() == "['harness_core.testing']"
