"""Transient commands and standard input."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from harness_core.keeper import LinkLost, Refused, SpawnRefused

ENV = {"PATH": os.environ["PATH"]}


async def said(session):
    got = {"out": b"", "err": b"", "mixed": b""}
    async for chunk in session.output():
        got[chunk.stream] += chunk.data
    return got


def test_a_command_tells_its_output_and_its_exit(home):
    async def story(client):
        await client.spawn(home.command("sleep", "1000"))
        session = await client.exec("r1", ["sh", "-c", "echo $HARNESS_RUN $HARNESS_SERVICE; echo no >&2; exit 5"], env=ENV)
        got = await said(session)
        exit = await session.wait()
        await session.aclose()
        await session.aclose()
        return got, exit.code

    assert home.play(story) == ({"out": b"r1 api\n", "err": b"no\n", "mixed": b""}, 5)


def test_a_command_needs_no_run_and_an_unknown_one_or_a_missing_binary_is_refused(home):
    async def story(client):
        session = await client.exec(None, ["true"], env=ENV)
        assert (await session.wait()).code == 0
        with pytest.raises(Refused, match="nobody"):
            await client.exec("nobody", ["true"], env=ENV)
        with pytest.raises(SpawnRefused, match="no-such-binary"):
            await client.exec(None, ["no-such-binary"], env=ENV)

    home.play(story)


def test_standard_input_is_fed_and_closed(home):
    async def story(client):
        session = await client.exec(None, ["cat"], env=ENV, stdin=True)
        for number in range(40):
            await session.write(b"%d" % number * 50_000)
        await session.write(None)
        got = await said(session)
        return got["out"], (await session.wait()).code

    out, code = home.play(story)

    assert out == b"".join(b"%d" % number * 50_000 for number in range(40))
    assert code == 0


def test_a_terminal_is_a_terminal_that_can_be_resized_and_interrupted(home):
    async def story(client):
        script = "trap 'stty size; exit 6' INT; test -t 0 && test -t 1 && stty size; while :; do sleep 0.01; done"
        session = await client.exec(None, ["sh", "-c", script], env=ENV, tty=True, stdin=True, rows=33, columns=44)
        seen, asked = b"", False
        async for chunk in session.output():
            seen += chunk.data
            if b"33 44\r\n" in seen and not asked:
                asked = True
                await session.resize(rows=55, columns=66)
                await session.write(b"\x03")
        return seen, (await session.wait()).code

    seen, code = home.play(story)

    assert seen.endswith(b"55 66\r\n")
    assert code == 6


def test_a_command_is_signalled_by_name(home):
    async def story(client):
        session = await client.exec(None, ["sleep", "1000"], env=ENV)
        await session.signal("TERM")
        return await session.wait()

    assert home.play(story).signal == "TERM"


def test_several_run_at_once(home):
    async def story(client):
        sessions = await asyncio.gather(*(client.exec(None, ["sh", "-c", f"sleep 0.2; exit {n}"], env=ENV) for n in range(20)))
        return [(await session.wait()).code for session in sessions]

    assert home.play(story) == list(range(20))


@pytest.mark.parametrize("how", ["closed", "outlived", "client gone", "run killed"])
def test_a_command_that_hangs_and_forks_dies_as_a_tree(home, tools, containment, how):
    word = f"hang-{os.getpid()}-{time.monotonic_ns()}"
    script = f"(exec -a {word} sleep 600) & (setsid -f bash -c 'exec -a {word} sleep 600'); trap '' TERM; echo up; wait"

    async def story(client):
        await client.spawn(home.command("sleep", "1000"))
        other = home.far("other")
        await other.connect()
        lifetime = 1.0 if how == "outlived" else None
        session = await other.exec("r1", ["bash", "-c", script], env=ENV, lifetime=lifetime)
        async for chunk in session.output():
            if b"up\n" in chunk.data:
                break
        tools.eventually(lambda: len(tools.processes_with(word)) >= 2)
        if how == "closed":
            await session.aclose()
            assert tools.processes_with(word) == []
        elif how == "outlived":
            exit = await session.wait()
            assert (exit.signal, exit.reason) == ("KILL", "timeout")
        elif how == "client gone":
            await other.aclose()
        else:
            await client.kill("r1")
            assert tools.processes_with(word) == []
        tools.eventually(lambda: not tools.processes_with(word))
        await other.aclose()
        return [info.exit for info in await client.list()]

    exits = home.play(story)

    assert (exits == [None]) == (how != "run killed")


def test_what_a_command_leaves_behind_when_it_ends_is_killed(home, tools, containment):
    word = f"left-{os.getpid()}-{time.monotonic_ns()}"

    async def story(client):
        script = f"setsid -f bash -c 'exec -a {word} sleep 600'; echo up"
        session = await client.exec(None, ["bash", "-c", script], env=ENV)
        exit = await session.wait()
        got = await said(session)
        await session.aclose()
        return exit.code, got["out"], tools.processes_with(word)

    assert home.play(story) == (0, b"up\n", [])


def test_a_flood_is_capped_and_counted_and_holds_nobody_up(home):
    async def story(client):
        session = await client.exec(None, ["head", "-c", "30000000", "/dev/zero"], env=ENV, limit=1000)
        chunks = [chunk async for chunk in session.output()]
        exit = await session.wait()
        return sum(len(chunk.data) for chunk in chunks), sum(chunk.dropped for chunk in chunks), exit.code

    assert home.play(story) == (1000, 29_999_000, 0)


def test_a_flood_without_a_cap_arrives_whole_and_the_keeper_stays_small(home):
    async def story(client):
        before = (await client.keeper_stats()).rss
        session = await client.exec(None, ["head", "-c", "40000000", "/dev/zero"], env=ENV)
        size = 0
        async for chunk in session.output():
            size += len(chunk.data)
        return size, (await client.keeper_stats()).rss - before

    size, grown = home.play(story)

    assert size == 40_000_000
    assert grown < 12 << 20


def test_a_command_with_a_window_waits_for_its_reader_and_holds_up_nobody_else(home):
    window = 100_000

    async def story(client):
        idle = await client.exec(None, ["yes"], env=ENV, window=window)
        first = idle.output()
        await anext(first)
        busy = await client.exec(None, ["head", "-c", "30000000", "/dev/zero"], env=ENV, window=window)
        size = 0
        async for chunk in busy.output():
            size += len(chunk.data)
        unread = sum(len(chunk.data) for chunk in idle._chunks._queue)
        seen = 0
        async for chunk in first:
            seen += len(chunk.data)
            if seen > 10 * window:
                break
        await idle.aclose()
        return size, unread

    size, unread = home.play(story)

    assert size == 30_000_000
    assert unread < window + (256 << 10)


def test_a_signal_reaches_the_whole_group_of_a_command(home):
    async def story(client):
        # bash waits for what it runs, and goes on if that did not die of the signal: as with Ctrl-C, both must get it.
        session = await client.exec(None, ["bash", "-c", "trap 'exit 9' INT; echo up; sleep 1000; echo no"], env=ENV)
        async for _ in session.output():
            break
        await session.signal("INT")
        return (await session.wait()).code

    assert home.play(story) == 9


def test_a_write_waits_for_a_command_that_never_reads_and_ends_with_it(home):
    async def story(client):
        session = await client.exec(None, ["sh", "-c", "echo up; sleep 1000"], env=ENV, stdin=True, timeout=0.2)
        async for _ in session.output():
            break
        large = asyncio.ensure_future(session.write(b"x" * 500_000))
        await asyncio.wait({large}, timeout=0.5)
        assert not large.done()
        await session.signal("KILL")
        await large
        return (await session.wait()).signal

    assert home.play(story) == "KILL"


def test_the_terminal_of_a_run_gets_its_size(home):
    async def story(client):
        script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done"
        await client.spawn(home.shell(script, tty=True))
        await client.spawn(home.shell("sleep 1000", run="r2"))
        seen = b""
        async for chunk in client.output("r1", follow=True):
            asked = b"ready" in seen
            seen += chunk.data
            if b"ready" in seen and not asked:
                await client.resize("r1", rows=12, columns=34)
        for run in ("r1", "r2"):
            with pytest.raises(Refused, match="no terminal"):
                await client.resize(run, rows=1, columns=1)
        return seen

    assert home.play(story).split() == [b"ready", b"12", b"34"]


def test_a_lost_link_ends_the_wait_for_a_command(home):
    async def story(client):
        session = await client.exec(None, ["sleep", "1000"], env=ENV)
        waiting = asyncio.ensure_future(session.wait())
        await asyncio.sleep(0)
        home.kill_keeper()
        with pytest.raises(LinkLost):
            await waiting

    home.play(story)


def test_a_service_reads_what_is_written_and_its_end(home, tools):
    async def story(client):
        started = await client.spawn(home.shell("cat; echo end", stdin=True))
        await client.write("r1", b"one ")
        await client.write("r1", b"two ")
        await client.write("r1", None)
        await client.wait("r1")
        with pytest.raises(Refused, match="closed"):
            await client.write("r1", b"three")
        await client.spawn(home.command("cat", run="r2"))
        assert (await client.wait("r2")).code == 0  # its standard input is /dev/null
        with pytest.raises(Refused, match="without stdin"):
            await client.write("r2", b"x")
        return started.crash_safe, await tools.text(client, "r1")

    assert home.play(story) == (False, b"one two end\n")


def test_a_service_that_does_not_read_holds_up_only_its_writer(home):
    async def story(client):
        await client.spawn(home.command("sleep", "1000", stdin=True))
        writing = [asyncio.ensure_future(client.write("r1", b"x" * 400_000)) for _ in range(2)]
        await client.list()
        with pytest.raises(Refused) as caught:
            await client.write("r1", b"x" * 900_000)
        await client.kill("r1")
        await asyncio.gather(*writing)
        return caught.value.kind

    assert home.play(story) == "busy"


def test_a_service_with_a_terminal_has_one(home, tools):
    async def story(client):
        started = await client.spawn(home.shell("test -t 0 && test -t 1 && tty >/dev/null && read x && echo got $x", tty=True))
        await client.write("r1", b"hello\n")
        exit = await client.wait("r1")
        return started.crash_safe, exit.code, await tools.text(client, "r1")

    crash_safe, code, text = home.play(story)

    assert (crash_safe, code) == (False, 0)
    assert text.endswith(b"got hello\r\n")
