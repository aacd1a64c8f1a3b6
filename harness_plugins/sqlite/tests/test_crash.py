import json
import os
import subprocess
import sys

WRITER = """
import asyncio, sys
from harness_core.contracts import RegistryChange, StoredEvent
from harness_core.testing import FakeContext
from harness_plugin_sqlite.backend import SqliteRegistry

async def write(path):
    registry = SqliteRegistry(FakeContext())
    await registry.open({"path": path})
    seq = max([event.seq async for event in registry.events(0)], default=0)
    while True:
        seq += 1
        changes = [RegistryChange("service", key, [seq, "x" * 2000]) for key in "abc"]
        revision, _ = await asyncio.gather(registry.commit(changes), registry.append([StoredEvent(seq, {"n": seq})]))
        print(revision, seq, flush=True)

asyncio.run(write(sys.argv[1]))
"""

OPENER = """
import asyncio, sys
from harness_core.contracts import RegistryChange
from harness_core.testing import FakeContext
from harness_plugin_sqlite.backend import SqliteRegistry

async def write(path, name):
    registry = SqliteRegistry(FakeContext())
    print("ready", flush=True)
    sys.stdin.readline()
    await registry.open({"path": path})
    for n in range(50):
        await registry.commit([RegistryChange("service", f"{name}-{n}", n, if_revision=0)])
    await registry.aclose()

asyncio.run(write(*sys.argv[1:]))
"""


def test_kill_9_in_the_middle_of_writing_loses_nothing_acknowledged(run, registry_at, file):
    async def stored():
        async with registry_at(file) as registry:
            records, revision = await registry.snapshot("service")
            return revision, {record.value[0] for record in records}, [event.seq async for event in registry.events(0)]

    for acknowledgements in (1, 25, 60, 130):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        for _ in range(acknowledgements):
            writer.stdout.readline()
        writer.kill()
        *_, last = [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")] or [b""]
        writer.stdout.close()
        writer.wait()

        revision, values, seqs = run(stored())

        assert len(values) == 1, "a batch is whole"
        assert seqs == list(range(1, len(seqs) + 1))
        if last:
            acknowledged_revision, acknowledged_seq = map(int, last.split())
            assert revision >= acknowledged_revision
            assert max(values) >= acknowledged_seq
            assert seqs[-1] >= acknowledged_seq
        assert revision >= acknowledgements


def test_processes_that_start_at_once_make_one_file_and_lose_nothing(run, registry_at, file):
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(file), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    for opener in openers:
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    for opener in openers:
        opener.communicate(timeout=30)

    async def stored():
        async with registry_at(file) as registry:
            records, revision = await registry.snapshot("service")
            return {record.key for record in records}, revision

    assert [opener.returncode for opener in openers] == [0, 0, 0]
    assert run(stored()) == ({f"{name}-{n}" for name in "abc" for n in range(50)}, 150)
    assert os.listdir(file.parent) == ["registry.db"]


def test_the_log_of_a_deleted_file_is_not_read_into_a_new_one(run, registry_at, file):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for _ in range(5):
        writer.stdout.readline()
    writer.kill()
    writer.communicate()
    assert file.with_name("registry.db-wal").stat().st_size > 0
    file.unlink()

    async def stored():
        async with registry_at(file) as registry:
            return await registry.snapshot("service")

    assert json.dumps(run(stored())) == "[[], 0]"
