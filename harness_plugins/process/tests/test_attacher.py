"""Watching a process that is somebody else's: the right one, its end, its exit, and never a hand on it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from harness_core.contracts import LOCAL, Address, Command, Exit, LaunchSpec, NotFound, NotSupported, Port
from harness_core.testing import FakeContext
from harness_core.testing.kit.bench import joined, output_of, until
from harness_plugin_process import watched
from harness_plugin_process.attacher import MEMORY, hold
from harness_plugin_process.pidfd import exit_status, open_pidfd
from harness_plugin_process.proc import find, tree

SLEEP = ("sleep", "600")


def spec(**config) -> LaunchSpec:
    return LaunchSpec("shop", "cache", "run-1", config=config, ports=(Port("main", 6379, None, "redis"),))


def kernel_tells_exits() -> bool:
    """Whether this kernel tells the exit of a process to others than its parent (Linux 6.15)."""
    process = subprocess.Popen(["sh", "-c", "read x; exit 3"], stdin=subprocess.PIPE)
    pidfd = open_pidfd(process.pid)
    process.communicate(b"\n")
    try:
        return asyncio.run(exit_status(pidfd, within=1)) == 3 << 8
    finally:
        os.close(pidfd)


needs_exits = pytest.mark.skipif(not kernel_tells_exits(), reason="this kernel tells exits to the parent alone (Linux < 6.15)")


async def test_by_pid_by_pidfile_by_name_and_by_command_line(attacher, stranger, tmp_path):
    name = f"h-{os.urandom(4).hex()}"
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    pidfile = tmp_path / "pid"

    async with attacher() as attach, stranger(str(program), "600") as process:
        pidfile.write_text(f"{process.pid}\n")
        for config in (
            {"pid": process.pid},
            {"pidfile": str(pidfile)},
            {"process_name": name},
            {"process_name": name[:-2] + "*"},
            {"cmdline": f"{program} 600"},
        ):
            handle = await attach.attach(spec(**config))
            assert handle.ref == f"pid {process.pid}", config
            await handle.detach()


async def test_a_server_and_its_workers_are_one_process(attacher, stranger):
    mark = os.urandom(6).hex()
    forking = (
        "import os, time; sum(range(2_000_000))\n"
        "for _ in range(3): os.fork() or time.sleep(600)\n"
        f"print('up', flush=True); time.sleep(600) # {mark}"
    )

    async with attacher() as attach, stranger(sys.executable, "-c", forking, stdout=subprocess.PIPE) as process:
        await process.stdout.readline()
        handle = await attach.attach(spec(cmdline=f"*{mark}"))
        stats = await handle.stats()
        await handle.detach()
        for worker in tree(process.pid):
            os.kill(worker.pid, signal.SIGKILL)

    assert handle.ref == f"pid {process.pid}"
    assert stats.processes == 4
    assert stats.memory > 1 << 20
    assert stats.cpu_seconds > 0


@needs_exits
@pytest.mark.parametrize(("script", "code", "name"), [("read x; exit 7", 7, None), ("read x; kill -USR1 $$", None, "USR1")])
async def test_the_exit_of_a_stranger_is_known(attacher, stranger, script, code, name):
    async with attacher() as attach, stranger("sh", "-c", script, stdin=subprocess.PIPE) as process:
        handle = await attach.attach(spec(pid=process.pid))
        waiting = asyncio.ensure_future(handle.wait())
        process.stdin.write(b"\n")
        await process.wait()

        exit = await waiting
        assert (exit.code, exit.signal) == (code, name)
        assert exit.at is not None
        await handle.detach()


async def test_an_exit_that_nobody_tells_is_unknown_and_never_zero(attacher, monkeypatch):
    # A parent that does not reap (asyncio would): the process stays a zombie, which counts as gone, its status untold.
    monkeypatch.setattr(watched, "REAPED_WITHIN", 0.1)
    process = subprocess.Popen(["sh", "-c", "read x; exit 0"], stdin=subprocess.PIPE)  # noqa: ASYNC220
    try:
        async with attacher() as attach:
            handle = await attach.attach(spec(pid=process.pid))
            process.stdin.close()

            exit = await handle.wait()
            assert exit == Exit(at=exit.at)
            assert not exit.succeeded
            assert (await handle.stats()).processes == 0
            await handle.detach()
            with pytest.raises(NotFound):
                await attach.attach(spec(pidfile="/proc/self/nothing"))
            with pytest.raises(NotFound, match=f"no process with pid {process.pid} runs"):
                await attach.attach(spec(pid=process.pid))
    finally:
        process.wait()


async def test_a_pid_that_went_to_a_stranger_is_refused_even_after_a_restart(attacher, stranger):
    async with FakeContext() as context, stranger(*SLEEP) as process:
        async with attacher(context) as attach:
            await (await attach.attach(spec(pid=process.pid))).detach()
        memory = context.state_dir / MEMORY
        known = json.loads(memory.read_text())
        # What the number stood for started earlier: no test can wait until the kernel gives a pid again.
        known["shop/cache"]["start_ticks"] -= 1
        memory.write_text(json.dumps(known))

        async with attacher(context) as attach:
            with pytest.raises(NotFound, match=f"pid {process.pid} is another process by now") as caught:
                await attach.attach(spec(pid=process.pid))

    assert "sleep 600" in caught.value.message
    assert "process_name" in (caught.value.hint or "")


async def test_a_stranger_who_slips_in_while_we_look_is_not_held(stranger):
    async with stranger(*SLEEP) as process:
        now = find(process.pid)
        looked_at = replace(now, identity=replace(now.identity, start_ticks=now.identity.start_ticks - 1))
        before = len(os.listdir("/proc/self/fd"))

        with pytest.raises(NotFound, match="ended just now"):
            hold(looked_at)

        assert len(os.listdir("/proc/self/fd")) == before


async def test_a_new_pid_in_the_config_is_a_new_process(attacher, stranger):
    async with attacher() as attach, stranger(*SLEEP) as first, stranger(*SLEEP) as second:
        for process in (first, second, second):
            handle = await attach.attach(spec(pid=process.pid))
            assert handle.ref == f"pid {process.pid}"
            await handle.detach()


async def test_a_torn_memory_does_not_refuse_everything(attacher, stranger):
    async with FakeContext() as context, stranger(*SLEEP) as process, attacher(context) as attach:
        (context.state_dir / MEMORY).write_text('{"shop/cache": {"pi')

        handle = await attach.attach(spec(pid=process.pid))

        assert json.loads((context.state_dir / MEMORY).read_text())["shop/cache"]["pid"] == process.pid
        await handle.detach()


async def test_what_a_stranger_listens_on_is_what_the_config_says(attacher, stranger):
    async with attacher() as attach, stranger(*SLEEP) as process:
        handle = await attach.attach(spec(pid=process.pid))
        (endpoint,) = await handle.endpoints()

        assert attach.place(None) == LOCAL
        assert (endpoint.name, endpoint.protocol) == ("main", "redis")
        assert endpoint.addresses == (Address("127.0.0.1", 6379, within=LOCAL),)
        await handle.detach()


async def test_its_output_can_not_be_read(attacher, stranger):
    async with attacher() as attach, stranger(*SLEEP) as process:
        handle = await attach.attach(spec(pid=process.pid))
        with pytest.raises(NotSupported, match="output"):
            await output_of(handle)
        await handle.detach()


async def test_a_check_is_run_beside_it(attacher, stranger):
    async with attacher() as attach, stranger(*SLEEP) as process:
        handle = await attach.attach(spec(pid=process.pid))
        session = await handle.exec(Command(("sh", "-c", "echo $A; exit 4"), env={"PATH": os.environ["PATH"], "A": "b"}))

        assert joined([chunk async for chunk in session.output()]) == b"b\n"
        assert (await session.wait()).code == 4
        await session.aclose()
        await handle.detach()


async def test_letting_go_ends_a_wait_with_an_error_and_may_be_done_twice(attacher, stranger):
    async with attacher() as attach, stranger(*SLEEP) as process:
        handle = await attach.attach(spec(pid=process.pid))
        waiting = asyncio.ensure_future(handle.wait())
        await asyncio.sleep(0)

        await handle.detach()
        await handle.detach()

        with pytest.raises(Exception, match="no longer watched"):
            await waiting
        assert process.returncode is None


async def test_waiting_costs_no_thread_and_no_descriptor_is_left(attacher, stranger):
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with attacher() as attach, stranger(*SLEEP) as process:
        before = descriptors()
        handles = [await attach.attach(spec(process_name="sleep", cmdline="sleep 600", pid=process.pid)) for _ in range(20)]
        waits = [asyncio.ensure_future(handle.wait()) for handle in handles]
        threads = len(os.listdir("/proc/self/task"))
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/task")) == threads

        process.kill()
        await process.wait()
        exits = await asyncio.gather(*waits)  # without a detach: core attaches again and again

        async def closed():
            return descriptors() <= before

        await until(closed, what="all pidfds are closed")
        assert len({(exit.code, exit.signal) for exit in exits}) == 1
