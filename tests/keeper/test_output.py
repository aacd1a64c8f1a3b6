"""Every byte that was written is kept, in order, and read by cursor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness_core.keeper import LogSettings, NoSuchRun, Refused

NASTY = bytes(range(256)) + b"\xff\xfe\x00" + "é\n".encode("utf-16")


async def chunks(client, run, **query):
    return [chunk async for chunk in client.output(run, **query)]


@pytest.fixture(params=["here", "far"])
def reader(request, home):
    """A client beside the files, or one that has only the byte stream."""

    async def connect(client):
        if request.param == "here":
            return client
        far = home.far()
        await far.connect()
        return far

    return connect


async def finished(client, spawn):
    await client.spawn(spawn)
    await client.wait(spawn.run)


def test_both_streams_are_kept_apart_with_their_times(home, reader):
    async def story(client):
        await finished(client, home.shell("echo one; echo two >&2"))
        there = await reader(client)
        got = await chunks(there, "r1")
        if there is not client:
            await there.aclose()
        return got, await client.info("r1")

    got, info = home.play(story)

    assert sorted((chunk.stream, chunk.data) for chunk in got) == [("err", b"two\n"), ("out", b"one\n")]
    assert all(info.started_at - 1 < chunk.at_ns / 1e9 <= info.exit.at for chunk in got)


def test_merged_streams_keep_their_order(home, tools):
    async def story(client):
        script = "for n in 1 2 3 4 5; do echo o$n; echo e$n >&2; done"
        await finished(client, home.shell(script, logs=LogSettings(merge=True)))
        return await chunks(client, "r1")

    got = home.play(story)

    assert b"".join(chunk.data for chunk in got) == b"".join(b"o%d\ne%d\n" % (n, n) for n in range(1, 6))
    assert {chunk.stream for chunk in got} == {"mixed"}


def test_every_cursor_resumes_strictly_after_itself(home, tools, reader):
    async def story(client):
        script = "for n in 1 2 3 4 5 6; do echo line $n; sleep 0.01; done"
        await finished(client, home.shell(script, logs=LogSettings(max_size=20)))
        there = await reader(client)
        whole = await chunks(there, "r1")
        rests = [b"".join([c.data for c in await chunks(there, "r1", since=chunk.cursor)]) for chunk in whole]
        with pytest.raises(Refused, match="cursor"):
            await chunks(there, "r1", since="nonsense")
        if there is not client:
            await there.aclose()
        return whole, rests

    whole, rests = home.play(story)

    data = [chunk.data for chunk in whole]
    assert len(data) > 1
    assert rests == [b"".join(data[number + 1 :]) for number in range(len(data))]


def test_tail_gives_the_last_lines_and_since_a_time_what_came_later(home, tools, reader):
    async def story(client):
        script = "seq 1 500; sleep 0.3; echo late; printf unended"
        await finished(client, home.shell(script, logs=LogSettings(max_size=700, keep=9)))
        late = (await chunks(client, "r1"))[-1]
        when = datetime.fromtimestamp((late.at_ns - 100_000_000) / 1e9, UTC)
        there = await reader(client)
        tails = [await tools.text(there, "r1", tail=number) for number in (0, 1, 2, 4, 10_000)]
        since = await tools.text(there, "r1", since=when)
        if there is not client:
            await there.aclose()
        return tails, since, await tools.text(client, "r1")

    tails, since, everything = home.play(story)

    assert tails == [b"", b"unended", b"late\nunended", b"499\n500\nlate\nunended", everything]
    assert since == b"late\nunended"


def test_followers_get_what_is_written_later_and_end_with_the_run(home, reader):
    async def story(client):
        await client.spawn(home.shell("while read line; do echo got $line; done; echo end", stdin=True))
        there = await reader(client)
        seen = []

        async def follow():
            async for chunk in there.output("r1", follow=True):
                seen.append(chunk.data)
                if chunk.data == b"got first\n":
                    await client.write("r1", b"second\n")
                if chunk.data == b"got second\n":
                    await client.write("r1", None)

        await client.write("r1", b"first\n")
        await asyncio.wait_for(follow(), 10)
        if there is not client:
            await there.aclose()
        return b"".join(seen)

    assert home.play(story) == b"got first\ngot second\nend\n"


def test_all_output_before_the_exit_is_readable_once_the_exit_is_told(home, tools):
    async def story(client):
        async def one(run):
            await finished(client, home.command("head", "-c", "60000", "/dev/zero", run=run))
            return len(await tools.text(client, run))

        return await asyncio.gather(*(one(f"r{number}") for number in range(100)))

    assert home.play(story) == [60000] * 100


def test_a_grandchild_that_holds_the_output_delays_no_exit_and_loses_nothing(home, tools):
    async def story(client):
        await client.spawn(home.shell("(until [ -e go ]; do sleep 0.01; done; echo late) & echo early", cwd=str(home.folder)))
        await client.wait("r1")
        early = await tools.text(client, "r1")
        (home.folder / "go").touch()
        for _ in range(1000):
            if b"late" in await tools.text(client, "r1"):
                break
            await asyncio.sleep(0.01)
        return early, await tools.text(client, "r1")

    assert home.play(story) == (b"early\n", b"early\nlate\n")


def test_binary_output_and_a_line_of_five_megabytes_arrive_intact(home, tools, reader):
    (home.folder / "nasty").write_bytes(NASTY)

    async def story(client):
        await finished(client, home.shell(f"cat {home.folder}/nasty; head -c 5000000 /dev/zero | tr '\\0' x"))
        there = await reader(client)
        said = await tools.text(there, "r1")
        if there is not client:
            await there.aclose()
        return said

    assert home.play(story) == NASTY + b"x" * 5_000_000


def test_rotation_bounds_the_disk_and_reports_what_is_gone(home, tools, reader):
    async def story(client):
        script = "i=0; while [ $i -lt 3000 ]; do echo 0123456789 $i; i=$((i+1)); done"
        await finished(client, home.shell(script, logs=LogSettings(max_size=4096, keep=3)))
        there = await reader(client)
        got = await chunks(there, "r1")
        if there is not client:
            await there.aclose()
        return got

    got = home.play(story)

    total = len(b"".join(b"0123456789 %d\n" % n for n in range(3000)))
    kept = b"".join(chunk.data for chunk in got)
    assert got[0].lost == total - len(kept) > 0
    assert kept.endswith(b"0123456789 2999\n")
    files = [path for path in (home.state / "runs" / "r1").iterdir() if path.name[:4] in ("log.", "idx.")]
    assert sum(path.stat().st_size for path in files if path.name.startswith("log.")) <= 3 * max(4096, 64 << 10)


def test_raw_segments_can_be_read_with_ordinary_tools(home):
    async def story(client):
        await finished(client, home.shell("echo needle; echo hay"))

    home.play(story)

    found = subprocess.run(["grep", "-rl", "needle", home.state / "runs" / "r1"], capture_output=True, text=True, check=True)
    assert found.stdout.strip().rpartition("/")[2].startswith("log.")


def test_a_service_that_closes_its_output_is_no_trouble(home, tools):
    async def story(client):
        await client.spawn(home.shell("echo bye; exec >&- 2>&-; read x; exit 5", stdin=True))
        await tools.until(client, "r1", b"bye\n")
        before = os.times()
        await client.write("r1", None)
        exit = await client.wait("r1")
        return exit.code, before

    assert home.play(story)[0] == 5


def test_a_torrent_starves_nobody_and_memory_stays_bounded(home, tools):
    async def story(client):
        before = (await client.keeper_stats()).rss
        torrent = "head -c 200000000 /dev/zero"
        await asyncio.gather(
            *(client.spawn(home.shell(torrent, run=f"t{n}", logs=LogSettings(max_size=1 << 20, keep=2))) for n in range(2))
        )
        quick = []
        for number in range(10):
            begin = asyncio.get_running_loop().time()
            await finished(client, home.shell("exit 3", run=f"q{number}"))
            quick.append(asyncio.get_running_loop().time() - begin)
        await asyncio.gather(client.wait("t0"), client.wait("t1"))
        stored = sum(path.stat().st_size for path in (home.state / "runs" / "t0").iterdir())
        return before, (await client.keeper_stats()).rss, quick, stored

    before, after, quick, stored = home.play(story)

    assert after - before < 8 << 20
    assert sorted(quick)[5] < 0.5
    assert stored < 4 << 20


def test_reading_a_run_that_is_unknown_or_disposed_of_says_so(home, reader):
    async def story(client):
        there = await reader(client)
        try:
            for follow in (False, True):
                with pytest.raises(NoSuchRun):
                    await chunks(there, "nobody", follow=follow)
        finally:
            if there is not client:
                await there.aclose()

    home.play(story)


def fill(path):
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_fifos_that_somebody_tidied_away_are_no_trouble(home, tools):
    if not home.fifos.parent.is_dir():
        pytest.skip("no shared memory on this machine")

    async def story(client):
        await client.spawn(home.shell("echo up; read x <go; echo after; exit 3", cwd=str(home.folder)))
        await tools.until(client, "r1", b"up\n")
        shutil.rmtree(home.fifos)
        home.kill_keeper()
        await client.spawn(home.shell("echo other", run="r2"))
        (home.folder / "go").write_text("\n")
        await asyncio.gather(client.wait("r1"), client.wait("r2"))
        return await tools.text(client, "r1"), await tools.text(client, "r2")

    os.mkfifo(home.folder / "go")

    assert home.play(story) == (b"up\nafter\n", b"other\n")


@pytest.fixture
def small_disk(home):
    """A tmpfs of one megabyte where the state of this home stands."""
    home.state.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", home.state], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small tmpfs is denied here: {mounted.stderr.strip()}")
    yield home.state
    home.clean()
    subprocess.run(["umount", "-l", home.state], check=True)


def test_a_full_disk_drops_output_counts_it_says_so_and_recovers_by_itself(small_disk, home, tools):
    notes = []

    async def story(client):
        client.on_note(notes.append)
        await client.spawn(home.shell("echo up; read a; head -c 900000 /dev/zero; read b; echo again", stdin=True))
        await tools.until(client, "r1", b"up\n")
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * 400_000)
        await client.write("r1", b"\n")
        for _ in range(1000):
            if (await client.info("r1")).lost_bytes:
                break
            await asyncio.sleep(0.01)
        # The disk is full: nothing new starts, with a clear reason, and what runs goes on.
        fill(small_disk / "filler")
        with pytest.raises(Refused) as refused:
            await client.spawn(home.shell("true", run="r2"))
        full = await client.list()
        ballast.unlink()
        (small_disk / "filler").unlink()
        await asyncio.sleep(0.06)  # the keeper tries again after a twentieth of a second
        await client.write("r1", b"\n")
        exit = await client.wait("r1")
        await client.spawn(home.shell("true", run="r2"))
        return refused.value, full, exit, await chunks(client, "r1"), await client.info("r1")

    refused, full, exit, got, info = home.play(story)

    assert refused.kind == "no-space"
    assert [run.run for run in full if run.exit is None] == ["r1"]
    assert exit.code == 0
    assert info.lost_bytes == sum(chunk.lost for chunk in got) > 0
    assert len(b"".join(chunk.data for chunk in got)) + info.lost_bytes == len(b"up\nagain\n") + 900_000
    assert b"".join(chunk.data for chunk in got).endswith(b"again\n")
    texts = [note.text for note in notes if note.run == "r1"]
    assert any("being dropped" in text for text in texts)
    assert any("stored again" in text for text in texts)


def test_an_exit_is_written_down_even_on_a_full_disk(small_disk, home, tools):
    async def story(client):
        await client.spawn(home.shell("read x; exit 9", stdin=True))
        fill(small_disk / "filler")
        await client.write("r1", None)
        exit = await client.wait("r1")
        return exit

    exit = home.play(story)
    journal = (small_disk / "journal").read_bytes()
    (small_disk / "filler").unlink()

    assert exit.code == 9
    assert b'"ev":"exited"' in journal


def test_what_was_stored_but_not_indexed_when_the_keeper_died_is_not_lost(tmp_path):
    from harness_core.keeper.server import reading
    from harness_core.keeper.server.segments import Segments

    def segments() -> Segments:
        return Segments(str(tmp_path), max_size=1 << 20, keep=2, on_trouble=lambda text: None)

    first = segments()
    first.put(memoryview(b"whole"), 1)
    first.close()
    with open(tmp_path / reading.log_name(0), "ab") as file:
        file.write(b"half")
    with open(tmp_path / reading.index_name(0), "ab") as file:
        file.write(b"torn")
    second = segments()
    second.resume()
    second.put(memoryview(b"next"), 2)
    second.close()

    assert [(piece.stream, piece.data) for piece in reading.read(str(tmp_path), 0)] == [
        ("out", b"whole"), ("mixed", b"half"), ("err", b"next"),
    ]  # fmt: skip
    assert Path(tmp_path / reading.index_name(0)).stat().st_size == 3 * 16


def test_a_reader_that_makes_the_folder_at_the_same_moment_costs_no_output(tmp_path, monkeypatch):
    from harness_core.keeper.server import reading
    from harness_core.keeper.server.segments import Segments

    make, folder = os.mkdir, str(tmp_path / "r1")

    def make_a_moment_later(path, mode=0o777):
        if path == folder:
            make(path, mode)
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", make_a_moment_later)
    segments = Segments(folder, max_size=1 << 20, keep=2, on_trouble=pytest.fail)
    segments.put(memoryview(b"the first words\n"), 1)
    segments.close()

    assert segments.lost == 0
    assert [piece.data for piece in reading.read(folder, 0)] == [b"the first words\n"]
