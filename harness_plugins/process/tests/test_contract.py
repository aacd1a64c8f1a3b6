"""What every executor promises, of ours."""

from __future__ import annotations

import asyncio
import os
import sys

from harness_core.contracts import Launcher, OutputQuery
from harness_core.keeper import Client, ensure_local
from harness_core.keeper.local import connect_local
from harness_core.plugins.catalog import Kind
from harness_core.testing import AttacherContract, ExecutorBench, ExecutorContract, FakeContext
from harness_core.testing.kit.bench import joined, output_of, printed
from harness_core.testing.kit.case import case
from harness_core.testing.kit.reading import ReadingCases
from harness_core.testing.kit.recovering import RecoveringCases
from harness_plugin_process.plugin import PROCESS, PROCESS_ATTACH


class SeverableContext(FakeContext):
    """A context whose stream to the keeper can be cut and mended while the keeper lives on."""

    def __init__(self, *, reads_files: bool) -> None:
        super().__init__()
        self._reads_files = reads_files
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

        client = Client(open_stream, name="testing", patience=0.1, state_dir=folder if self._reads_files else None)
        await client.connect()
        return client


class Severable:
    """A link that a test can break and mend."""

    reads_files = True

    def create_context(self) -> SeverableContext:
        return SeverableContext(reads_files=self.reads_files)

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


class TestProcess(Severable, ExecutorContract):
    offer = PROCESS

    @case()
    async def test_over_a_lost_link_output_is_unreachable(self, bench: ExecutorBench) -> None:
        # More than the contract asks for: the keeper's files are on this machine, so output stays readable meanwhile.
        handle = await bench.launch(self.printing(["before"], running=True))
        await printed(handle, b"before\n")

        await self.break_link(bench)
        try:
            assert joined(await output_of(handle, OutputQuery())) == b"before\n"
        finally:
            await self.mend_link(bench)


class TestProcessOverAStream(Severable, RecoveringCases, ReadingCases):
    """What depends on how the keeper is reached: finding runs again, and reading. All else is proved above."""

    kind = Kind.EXECUTOR
    made = Launcher
    offer = PROCESS
    reads_files = False


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
