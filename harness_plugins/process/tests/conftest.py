"""What the tests of local processes share: coroutine tests, and the kit's bench for what is special here."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
from contextlib import asynccontextmanager

import pytest

from harness_core.testing import ExecutorContract, FakeContext
from harness_plugin_process.plugin import PROCESS, PROCESS_ATTACH

SECONDS = 30.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a coroutine test in an event loop of its own, bounded in time."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}

    async def bounded():
        async with asyncio.timeout(SECONDS):
            await pyfuncitem.obj(**arguments)

    asyncio.run(bounded())
    return True


class Here(ExecutorContract):
    """The kit's bench and programs, with our launcher."""

    offer = PROCESS


@pytest.fixture
def here():
    """`here.bench()`, `here.shell(script)` and the like."""
    return Here()


@pytest.fixture
def attacher():
    """`async with attacher() as …`: a process-attach with a context of its own."""

    @asynccontextmanager
    async def attaching(context=None):
        own = context or FakeContext()
        made = PROCESS_ATTACH.create(own)
        try:
            yield made
        finally:
            await made.aclose()
            if context is None:
                await own.aclose()

    return attaching


@pytest.fixture
def stranger():
    """`async with stranger(argv…) as process`: a process that harness did not start; gone at the end."""

    @asynccontextmanager
    async def running(*argv, **options):
        process = await asyncio.create_subprocess_exec(*argv, **options)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return running


@pytest.fixture
def needs_root():
    """Changing the user is root's privilege."""
    if os.geteuid() != 0:
        pytest.skip("only root may run processes as other users")


@pytest.fixture
def unused_tcp_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
