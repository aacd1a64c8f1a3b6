"""`type: shell` runs the text under `script` by /bin/sh, as a child of the daemon's keeper."""

from datetime import UTC, datetime

from harness_core import contracts as c
from harness_core.hookspecs import hookimpl
from harness_core.keeper import Spawn, SpawnRefused


class ShellHandle(c.ProcessHandle):
    def __init__(self, keeper, run):
        self.ref, self.keeper, self.run = f"script {run}", keeper, run
    async def wait(self):
        end = await self.keeper.wait(self.run)
        return c.Exit(end.code, end.signal, end.reason, datetime.fromtimestamp(end.at, UTC))
    async def output(self, query=c.OutputQuery()):
        async for chunk in self.keeper.output(self.run, since=query.since, tail=query.tail, follow=query.follow):
            at = datetime.fromtimestamp(chunk.at_ns / 1e9, UTC)
            yield c.Output(c.Cursor(chunk.cursor), at, c.Stream(chunk.stream), chunk.data, chunk.lost)
    def state(self):
        return c.HandleState(1)
    async def request_stop(self, signal, grace):
        await self.keeper.signal(self.run, signal or "TERM")
    async def signal(self, name):
        await self.keeper.signal(self.run, name)
    async def kill(self):
        await self.keeper.kill(self.run)
    async def dispose(self):
        await self.keeper.dispose(self.run)

class ShellLauncher(c.Launcher):
    def __init__(self, context):
        self.context = context
    def place(self, config):
        return c.LOCAL
    async def launch(self, spec):
        keeper = await self.context.keeper()
        argv, mark = ("/bin/sh", "-c", spec.config["script"]), {"made-by": "shell"}
        try:
            await keeper.spawn(Spawn(spec.project, spec.service, spec.run, argv, spec.env, spec.base_dir, labels=mark))
        except SpawnRefused as error:
            raise c.LaunchFailed(str(error)) from error
        return ShellHandle(keeper, spec.run)
    async def recover(self, spec, state):
        if state and state.version > 1:
            raise c.StateTooNew("this run was launched by a newer harness-plugin-shell")
        known = any(found.run == spec.run for found in await self.survey())
        return ShellHandle(await self.context.keeper(), spec.run) if known else None
    async def survey(self):
        ours = [run for run in await (await self.context.keeper()).list() if run.labels.get("made-by") == "shell"]
        return [c.Found(run.project, run.service, run.run, f"script {run.run}") for run in ours]
    async def aclose(self):
        pass
CAN = frozenset(c.Capability[word] for word in ("RECOVER", "SIGNALS", "OUTPUT", "DURABLE_OUTPUT", "EXACT_OUTPUT"))
SCHEMA = {"type": "object", "required": ["script"], "properties": {"script": {"type": "string", "description": "What to run."}}}
OFFER = c.Offer("shell", "a script, run by /bin/sh", ShellLauncher, SCHEMA, CAN)

@hookimpl
def harness_executors():
    return [OFFER]
