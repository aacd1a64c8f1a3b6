"""Finding the keeper, speaking to it, and missing nothing it said."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness_core.keeper import CallTimeout, LinkLost, NoSuchRun, Refused, StartFailed, ensure_local
from harness_core.keeper.bundle import bundle
from harness_core.keeper.local import connect_local

CODE = Path(__file__).resolve().parents[2] / "harness_core" / "keeper"
ENV = {"PATH": os.environ["PATH"]}


def oldest_python() -> str | None:
    """The oldest interpreter at hand from 3.8 on."""
    known = Path.home() / ".pyenv" / "versions"
    candidates = [*sorted(known.glob("3.8.*/bin/python3.8")), *sorted(known.glob("3.9.*/bin/python3.9"))]
    found = [str(path) for path in candidates] + [path for path in map(shutil.which, ("python3.8", "python3.9")) if path]
    return found[0] if found else None


async def raw(home):
    """A stream to the keeper, and a way to ask over it by hand."""
    reader, writer = await connect_local(home.state)

    async def ask(**request):
        writer.write(json.dumps(request).encode() + b"\n")
        return json.loads(await reader.readline())

    return reader, writer, ask


def test_two_starters_at_once_find_one_keeper(home):
    async def story():
        clients = await asyncio.gather(*(ensure_local(home.state, name=f"c{n}") for n in range(4)))
        pids = {client.hello.pid for client in clients}
        for client in clients:
            await client.aclose()
        return pids

    assert asyncio.run(story()) == {home.keeper_pid}


def test_a_stale_socket_and_lock_block_nothing(home):
    home.state.mkdir(mode=0o700)
    (home.state / "keeper.lock").write_text("1\n")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(home.state / "keeper.sock"))
    stale.close()

    pid = home.play(lambda client: client.keeper_stats()).pid

    assert pid == home.keeper_pid != 1


def test_a_state_folder_with_a_very_long_path_works(home):
    home.state = home.folder / ("long" * 30) / ("path" * 30)

    async def story(client):
        await client.spawn(home.shell("exit 3"))
        return (await client.wait("r1")).code

    assert home.play(story) == 3


def test_a_keeper_that_cannot_start_says_why(home):
    (home.folder / "file").write_text("")

    async def story():
        with pytest.raises(StartFailed, match="file/state cannot be used: Not a directory"):
            await asyncio.wait_for(ensure_local(home.folder / "file" / "state", name="test"), 20)
        with pytest.raises(StartFailed, match="/no/such/python"):
            await asyncio.wait_for(ensure_local(home.state, name="test", python="/no/such/python"), 20)

    asyncio.run(story())


def test_the_socket_and_every_file_are_private_and_the_keeper_has_its_own_session(home):
    home.play(lambda client: client.list())
    pid = home.keeper_pid

    assert (home.state / "keeper.sock").stat().st_mode & 0o777 == 0o600
    assert home.state.stat().st_mode & 0o777 == 0o700
    assert os.getsid(pid) == pid
    assert [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
    assert Path(f"/proc/{pid}/status").read_text().partition("PPid:\t")[2].split()[0] != str(os.getpid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_not_served(home):
    home.play(lambda client: client.list())
    for folder in (home.folder, home.state):
        folder.chmod(0o755)
    (home.state / "keeper.sock").chmod(0o666)
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(home.state / "keeper.sock"))
        try:
            sock.sendall(b'{"op":"list","id":1}\n')
            os._exit(0 if sock.recv(10) == b"" else 1)
        except OSError:
            os._exit(0)

    assert os.waitpid(pid, 0)[1] == 0


def test_events_are_dense_and_kept_until_every_named_client_acknowledged_them(home):
    async def story(client):
        _, writer, ask = await raw(home)
        first = await ask(op="hello", id=1, version="1.0", name="slow", epoch=None, cursor=0)
        writer.close()
        await client.spawn(home.shell("exit 1"))
        await client.wait("r1")
        await client.list()
        reader, writer, ask = await raw(home)
        again = await ask(op="hello", id=1, version="1.0", name="slow", epoch=first["epoch"], cursor=first["seq"])
        events = [json.loads(await reader.readline()) for _ in range(2)]
        writer.write(b'{"op":"ack","seq":%d}\n' % events[-1]["seq"])
        gone = await ask(op="hello", id=2, version="1.0", name="slow", epoch=first["epoch"], cursor=first["seq"])
        strange = await ask(op="hello", id=3, version="1.0", name="slow", epoch="another", cursor=1)
        writer.close()
        return first, again, events, gone, strange

    first, again, events, gone, strange = home.play(story)

    assert not first["resumed"]
    assert again["resumed"]
    assert [(event["ev"], event["seq"]) for event in events] == [("started", first["seq"] + 1), ("exited", first["seq"] + 2)]
    assert (gone["resumed"], strange["resumed"]) == (False, False)


def test_a_wait_survives_a_lost_link_and_a_new_epoch(home):
    changes = []

    async def story(client):
        client.on_link(changes.append)
        await client.spawn(home.shell("read x; exit 6", run="r0", stdin=True))
        await client.spawn(home.shell("while [ ! -e go ]; do sleep 0.01; done; exit 7", cwd=str(home.folder)))
        waiting = [asyncio.ensure_future(client.wait("r1")) for _ in range(3)]
        waiting[0].cancel()
        await asyncio.sleep(0)
        home.kill_keeper()
        await client.list()
        (home.folder / "go").touch()
        exits = await asyncio.gather(*waiting[1:])
        with pytest.raises(NoSuchRun):
            await client.wait("nobody")
        return exits

    exits = home.play(story)

    assert [exit.code for exit in exits] == [7, 7]
    assert [change.up for change in changes] == [False, True]
    assert changes[0].cause


def test_a_dead_link_without_patience_is_told_at_once(home):
    async def story(client):
        far = home.far(timeout=2)
        await far.connect()
        lost = asyncio.Event()
        far.on_link(lambda change: lost.set())
        home.kill_keeper()
        await lost.wait()
        with pytest.raises(LinkLost, match="no link"):
            await far.list()
        await far.aclose()
        nowhere = home.far()
        os.rename(home.state, home.folder / "moved")
        with pytest.raises(LinkLost):
            await nowhere.connect()
        os.rename(home.folder / "moved", home.state)

    home.play(story)


def test_a_keeper_that_does_not_answer_ends_the_call_in_time(home, tools):
    import signal

    async def story(client):
        os.kill(home.keeper_pid, signal.SIGSTOP)
        try:
            with pytest.raises(CallTimeout, match="'list'"):
                await client.list(timeout=0.2)
        finally:
            os.kill(home.keeper_pid, signal.SIGCONT)
        return await client.list()

    assert home.play(story) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"not json", "JSONDecodeError"),
        (b"[1]", "JSON object"),
        (b'{"op":"nope","id":1}', "knows no 'nope'"),
        (b'{"op":"kill","id":1}', "KeyError"),
        (b'{"op":"kill","id":1,"run":["x"],"within":1}', "knows no run"),
        (b"[" * 200_000, "RecursionError"),
        (b'{"op":"\xff"}', "UnicodeDecodeError"),
        (b'{"op":"exec","id":1,"exec":"../x","argv":["true"],"env":{},"cwd":"/"}', "named by"),
        (b'{"op":"spawn","batch":[{"id":1,"run":"x"}]}', "spawn needs 'project'"),
    ],
)
def test_a_bad_request_is_answered_and_harms_nobody(home, line, words):
    async def story(client):
        reader, writer = await connect_local(home.state)
        writer.write(line + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        return answer, await client.list()

    answer, runs = home.play(story)

    assert words in answer["error"]["message"]
    assert runs == []


def test_a_client_that_does_not_read_is_cut_off_and_others_go_on(home):
    async def story(client):
        reader, writer, ask = await raw(home)
        await ask(op="hello", id=1, version="1.0", name="stuck", epoch=None, cursor=0)
        await client.spawn(home.command("true", spec="x" * 1_000_000))
        for _ in range(60):
            writer.write(b'{"op":"list","id":2,"specs":true}\n')
        await writer.drain()
        before = (await client.keeper_stats()).rss
        size = 0
        # Cut off is cut off: the kernel tells it as a reset where requests were still unread, else as the end.
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(1 << 20):
                size += len(data)
        writer.close()
        return before, size, await client.list()

    before, size, runs = home.play(story)

    assert size < 60_000_000
    assert before < 120 << 20
    assert [run.run for run in runs] == ["r1"]


def test_the_journal_does_not_grow_without_bound_and_loses_nothing_by_it(home, monkeypatch, tmp_path):
    from harness_core.keeper.server.journal import COMPACT_AT, Journal

    journal = Journal(str(tmp_path / "journal"))
    journal.rewrite([])
    line = b'{"ev":"note","text":"' + b"x" * 1000 + b'"}\n'
    written = 0
    while not journal.wants_compaction:
        journal.append(line)
        written += 1
    journal.append(b'{"torn')
    records = list(journal.replay())
    journal.rewrite([b'{"ev":"run","run":"kept"}\n'])
    journal.append(b'{"ev":"exited","run":"kept"}\n')

    assert len(records) == written
    assert [record["ev"] for record in journal.replay()] == ["run", "exited"]
    assert written * len(line) <= COMPACT_AT + len(line)
    assert (tmp_path / "journal").stat().st_size < 100_000
    journal.close()


def test_an_event_for_a_descriptor_that_was_closed_in_the_same_turn_is_dropped():
    from harness_core.keeper.server.loop import READ, Loop

    crashes, seen = [], []
    loop = Loop(crashes.append)
    pairs = [os.pipe() for _ in range(2)]

    def close_both(name):
        seen.append(name)
        for reading, _ in pairs:
            loop.unwatch(reading)
            os.close(reading)
        loop.stopped = True

    for number, (reading, writing) in enumerate(pairs):
        os.write(writing, b"x")
        loop.watch(reading, READ, lambda mask, number=number: close_both(number))
    loop.run()

    assert len(seen) == 1
    assert crashes == []
    for _, writing in pairs:
        os.close(writing)


def test_a_handler_that_fails_is_removed_and_told():
    from harness_core.keeper.server.loop import READ, Loop

    crashes = []
    loop = Loop(crashes.append)
    reading, writing = os.pipe()
    os.write(writing, b"x")
    loop.watch(reading, READ, lambda mask: 1 / 0)
    loop.later(0.01, lambda: setattr(loop, "stopped", True))

    loop.run()

    assert len(crashes) == 1
    assert "ZeroDivisionError" in crashes[0]
    os.close(reading)
    os.close(writing)


def test_the_keepers_own_stats_are_modest(home):
    stats = home.play(lambda client: client.keeper_stats())

    assert stats.pid == home.keeper_pid
    assert stats.rss < 25 << 20
    assert stats.fds < 20
    assert (stats.runs, stats.live) == (0, 0)
    assert stats.containment in ("cgroup", "process-groups")


def test_every_file_keeps_to_the_syntax_of_3_8():
    for source in sorted(CODE.rglob("*.py")):
        ast.parse(source.read_text(), str(source), feature_version=(3, 8))


def test_every_file_compiles_for_the_oldest_interpreter():
    python = oldest_python()
    if python is None:
        pytest.skip("no Python 3.8 or 3.9 at hand to compile the keeper with")
    for source in sorted(CODE.rglob("*.py")):
        done = subprocess.run(
            [python, "-c", "import sys; compile(open(sys.argv[1], 'rb').read(), sys.argv[1], 'exec')", str(source)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("python", ["oldest", "ours"])
def test_the_keeper_runs_as_one_zip_and_is_replaced_by_it(home, tools, python):
    interpreter = sys.executable if python == "ours" else oldest_python()
    if interpreter is None:
        pytest.skip("no Python 3.8 or 3.9 at hand to run the keeper with")
    archive = home.folder / "keeper.zip"
    archive.write_bytes(bundle())
    subprocess.run([interpreter, "-I", "-S", archive, home.state], check=True, timeout=20)

    async def story(client):
        await client.spawn(home.shell("echo hello; read x; exit 4", stdin=True))
        assert not (await client.replace(code=str(archive), even_if_same=True)).crashed
        await client.write("r1", None)
        session = await client.exec("r1", ["sh", "-c", "tty; exit 2"], env=ENV, tty=True)
        codes = (await client.wait("r1")).code, (await session.wait()).code
        return codes, await tools.text(client, "r1")

    assert bundle() == archive.read_bytes()
    assert home.play(story) == ((4, 2), b"hello\n")


def test_the_client_too_runs_on_the_oldest_interpreter(home):
    python = oldest_python()
    if python is None:
        pytest.skip("no Python 3.8 or 3.9 at hand to run the client with")
    story = (
        "import asyncio, sys\n"
        "from harness_core.keeper import Spawn, ensure_local\n"
        "async def main():\n"
        "    client = await ensure_local(sys.argv[1], name='old')\n"
        "    await client.spawn(Spawn('p', 's', 'r1', ['sh', '-c', 'echo hi; exit 3'], {'PATH': '/usr/bin:/bin'}))\n"
        "    out = [chunk.data async for chunk in client.output('r1', follow=True)]\n"
        "    print(out, (await client.wait('r1')).code)\n"
        "    await client.aclose()\n"
        "asyncio.run(main())\n"
    )
    env = {**ENV, "PYTHONPATH": str(CODE.parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}

    done = subprocess.run([python, "-c", story, home.state], capture_output=True, text=True, env=env, timeout=20, check=False)

    assert done.stdout == "[b'hi\\n'] 3\n", done.stderr


def test_the_keeper_imports_the_standard_library_alone():
    code = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "import harness_core.keeper.server.main\n"
        "loaded = sorted(name for name in sys.modules if name.startswith(('harness', 'asyncio', 'subprocess', 'threading')))\n"
        "print([name for name in loaded if not name.startswith('harness_core.keeper.server')])\n"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, CODE.parents[1]], capture_output=True, text=True, check=True, timeout=20
    )

    assert done.stdout == "['harness_core', 'harness_core.keeper']\n"


def test_an_unknown_operation_of_a_newer_client_is_refused_by_name(home):
    async def story(client):
        with pytest.raises(Refused) as caught:
            await client._ask("fly-to-the-moon")
        return caught.value.kind

    assert home.play(story) == "unknown-op"
