"""A third party's executor, whole: its services recite lines inside of the daemon, then end with a code, or stay."""

import asyncio
from datetime import UTC, datetime

from harness_core import contracts
from harness_core.hookspecs import hookimpl

PROPERTIES = {
    "lines": {"type": "array", "items": {"type": "string"}, "description": "What it recites."},
    "stay": {"type": "boolean", "description": "Stay afterwards, until stopped.", "default": False},
    "code": {"type": "integer", "description": "The exit code otherwise.", "default": 0},
}


class Recital(contracts.ProcessHandle):
    def __init__(self, spec):
        self.ref = f"recital {spec.run}"
        self._lines = spec.config.get("lines", ())
        self._end = asyncio.get_running_loop().create_future()
        if not spec.config.get("stay", False):
            self._finish(code=spec.config.get("code", 0))

    def _finish(self, **how):
        if not self._end.done():
            self._end.set_result(contracts.Exit(at=datetime.now(UTC), **how))

    async def wait(self):
        return await asyncio.shield(self._end)

    async def output(self, query=contracts.OutputQuery()):  # noqa: B008 - a frozen value
        for number, line in enumerate(self._lines):
            yield contracts.Output(contracts.Cursor(str(number)), datetime.now(UTC), contracts.Stream.OUT, f"{line}\n".encode())
        if query.follow:
            await self.wait()

    def state(self):
        return contracts.HandleState(1)

    async def request_stop(self, signal, grace):
        self._finish(code=0)

    async def signal(self, name):
        raise contracts.NotSupported("nobody can signal a recital")

    async def kill(self):
        self._finish(signal="KILL")

    async def dispose(self):
        self._lines = ()


class Reciter(contracts.Launcher):
    def __init__(self, context):
        self._runs = {}

    def place(self, config):
        return contracts.LOCAL

    async def launch(self, spec):
        if spec.run not in self._runs:
            self._runs[spec.run] = Recital(spec)
        return self._runs[spec.run]

    async def recover(self, spec, state):
        return self._runs.get(spec.run)

    async def aclose(self):
        self._runs.clear()


@hookimpl
def harness_executors():
    schema = {"type": "object", "properties": PROPERTIES}
    return [contracts.Offer("recite", "recites lines", Reciter, schema, frozenset({contracts.Capability.OUTPUT}))]
