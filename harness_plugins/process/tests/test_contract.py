"""What every executor promises, of ours."""

from __future__ import annotations

import asyncio
import os
import sys

from harness_core.contracts import Launcher
from harness_core.keeper import Client, ensure_local
from harness_core.keeper.local import connect_local
from harness_core.plugins.catalog import Kind
from harness_core.testing import AttacherContract, ExecutorBench, ExecutorContract, FakeContext
from harness_core.testing.kit.reading import ReadingCases
from harness_core.testing.kit.recovering import RecoveringCases
from harness_plugin_process.plugin import PROCESS, PROCESS_ATTACH


class SeverableContext(FakeContext):
    """A context whose stream to the keeper can be cut and mended while the keeper lives on."""

    def __init__(self) -> None:
        super().__init__()
        self._cut = False
        self._writers: list[asyncio.StreamWriter] = []

    async def keeper(self):
        return await self.shared("harness-keeper", self._connect)

    def cut(self) -> None:
        self._cut = True
        for writer in self._writers:
            writer.close()

    def mend(self) -> None:
        self._cut = False

    async def _connect(self):
        folder = str(self.state_dir / "keeper")
        await (await ensure_local(folder, name="starter")).aclose()

        async def open_stream():
            if self._cut:
                raise ConnectionRefusedError("cut by the test")
            reader, writer = await connect_local(folder)
            self._writers.append(writer)
            return reader, writer

        # No state_dir: output is read through the stream, as on another host.
        client = Client(open_stream, name="testing", patience=0.1)
        await client.connect()
        return client


class TestProcess(ExecutorContract):
    offer = PROCESS


class TestProcessOverAStream(RecoveringCases, ReadingCases):
    """What depends on how the keeper is reached: finding runs again, and reading. All else is proved above."""

    kind = Kind.EXECUTOR
    made = Launcher
    offer = PROCESS

    def create_context(self) -> SeverableContext:
        return SeverableContext()

    async def break_link(self, bench: ExecutorBench) -> None:
        bench.context.cut()

    async def mend_link(self, bench: ExecutorBench) -> None:
        client = await bench.context.keeper()
        back = asyncio.Event()
        forget = client.on_link(lambda change: back.set() if change.up else None)
        bench.context.mend()
        if not client.connected:
            await asyncio.wait_for(back.wait(), 10)
        forget()


class TestProcessAttach(AttacherContract):
    offer = PROCESS_ATTACH
    config = {"process_name": "nginx"}  # noqa: RUF012

    def setup_method(self):
        self._processes = []

    async def start_target(self, context):
        mark = f"attach-target-{os.urandom(6).hex()}"
        await self._start(mark)
        return {"cmdline": f"*{mark}*"}

    async def start_twins(self, context):
        config = await self.start_target(context)
        await self._start(config["cmdline"].strip("*"))
        return config

    async def end_target(self, config):
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def is_alive(self, config):
        return all(process.returncode is None for process in self._processes)

    def missing_config(self):
        return {"process_name": "harness-kit-no-such-process"}

    async def _start(self, mark):
        program = "import sys; sys.stdout.write('up\\n'); sys.stdout.flush(); sys.stdin.read()"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, mark, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._processes.append(process)
        assert await process.stdout.readline() == b"up\n"
