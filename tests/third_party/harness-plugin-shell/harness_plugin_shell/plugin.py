"""`type: shell` runs the text under `script` by /bin/sh, as a child of the daemon's keeper."""

from datetime import UTC, datetime

from harness_core.contracts import (
    LOCAL,
    Capability,
    Cursor,
    Exit,
    Found,
    HandleState,
    Launcher,
    LaunchFailed,
    Offer,
    Output,
    OutputQuery,
    ProcessHandle,
    StateTooNew,
    Stream,
)  # fmt: skip
from harness_core.hookspecs import hookimpl
from harness_core.keeper import Spawn, SpawnRefused


class ShellHandle(ProcessHandle):
    def __init__(self, keeper, run):
        self.ref, self.keeper, self.run = f"script {run}", keeper, run
    async def wait(self):
        end = await self.keeper.wait(self.run)
        return Exit(end.code, end.signal, end.reason, datetime.fromtimestamp(end.at, UTC))
    async def output(self, query=OutputQuery()):
        async for c in self.keeper.output(self.run, since=query.since, tail=query.tail, follow=query.follow):
            yield Output(Cursor(c.cursor), datetime.fromtimestamp(c.at_ns / 1e9, UTC), Stream(c.stream), c.data, c.lost)
    def state(self):
        return HandleState(1)
    async def request_stop(self, signal, grace):
        await self.keeper.signal(self.run, signal or "TERM")
    async def signal(self, name):
        await self.keeper.signal(self.run, name)
    async def kill(self):
        await self.keeper.kill(self.run)
    async def dispose(self):
        await self.keeper.dispose(self.run)

class ShellLauncher(Launcher):
    def __init__(self, context):
        self.context = context
    def place(self, config):
        return LOCAL
    async def launch(self, spec):
        keeper = await self.context.keeper()
        argv, mark = ("/bin/sh", "-c", spec.config["script"]), {"made-by": "shell"}
        try:
            await keeper.spawn(Spawn(spec.project, spec.service, spec.run, argv, spec.env, spec.base_dir, labels=mark))
        except SpawnRefused as error:
            raise LaunchFailed(str(error)) from error
        return ShellHandle(keeper, spec.run)
    async def recover(self, spec, state):
        if state and state.version > 1:
            raise StateTooNew("this run was launched by a newer harness-plugin-shell")
        found = [f for f in await self.survey() if f.run == spec.run]
        return ShellHandle(await self.context.keeper(), spec.run) if found else None
    async def survey(self):
        runs = await (await self.context.keeper()).list()
        return [Found(r.project, r.service, r.run, f"script {r.run}") for r in runs if r.labels.get("made-by") == "shell"]
    async def aclose(self):
        pass
CAN = {Capability.RECOVER, Capability.SIGNALS, Capability.OUTPUT, Capability.DURABLE_OUTPUT, Capability.EXACT_OUTPUT}
SCHEMA = {"type": "object", "required": ["script"], "properties": {"script": {"type": "string", "description": "What to run."}}}
OFFER = Offer("shell", "a script, run by /bin/sh", ShellLauncher, SCHEMA, frozenset(CAN))
@hookimpl
def harness_executors():
    return [OFFER]
