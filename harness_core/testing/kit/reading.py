"""Cases about output: whole, in order, by cursor, and byte for byte where that is claimed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from harness_core.contracts.errors import NotSupported
from harness_core.contracts.offer import Capability
from harness_core.contracts.output import OutputQuery, Stream
from harness_core.testing.kit.bench import ExecutorBench, ExecutorPlaces, joined, output_of, printed, until
from harness_core.testing.kit.case import case

OUTPUT, DURABLE_OUTPUT, EXACT_OUTPUT = Capability.OUTPUT, Capability.DURABLE_OUTPUT, Capability.EXACT_OUTPUT
RECOVER = Capability.RECOVER

LINES = [f"line {number}" for number in range(200)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


class ReadingCases(ExecutorPlaces):
    """What a service wrote is what is read."""

    @case(OUTPUT)
    async def test_all_output_is_seen_before_its_end(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(LINES))

        chunks = await output_of(handle)

        assert joined(chunks) == TEXT
        assert (await handle.wait()).code == 0

    @case(OUTPUT)
    async def test_output_is_followed_while_the_program_runs(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(["first", "second"], running=True))

        await printed(handle, b"second")

    @case(OUTPUT)
    async def test_followed_output_ends_when_the_run_is_killed(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(LINES, running=True))
        following = asyncio.ensure_future(output_of(handle))
        await printed(handle, LINES[-1].encode())

        await handle.kill()

        assert joined(await following) == TEXT

    @case(OUTPUT)
    async def test_a_cancelled_follower_disturbs_nobody(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(LINES, running=True))
        leaver, stayer = (asyncio.ensure_future(output_of(handle)) for _ in range(2))
        await printed(handle, LINES[-1].encode())

        leaver.cancel()
        await asyncio.gather(leaver, return_exceptions=True)
        await handle.kill()

        assert joined(await stayer) == TEXT

    @case(OUTPUT)
    async def test_output_carries_the_time_at_which_it_was_written(self, bench: ExecutorBench) -> None:
        before = datetime.now(UTC)
        handle = await bench.launch(self.printing(LINES))

        times = [chunk.at for chunk in await output_of(handle)]

        skew = timedelta(seconds=self.clock_skew)
        assert times == sorted(times)
        assert before - skew <= times[0] <= times[-1] <= datetime.now(UTC) + skew

    @case(OUTPUT)
    async def test_the_streams_are_told_apart_or_said_to_be_mixed(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("echo to-out; echo to-err >&2"))

        chunks = await output_of(handle)

        by_stream = {stream: joined([c for c in chunks if c.stream is stream]) for stream in Stream}
        apart = by_stream[Stream.OUT] == b"to-out\n" and by_stream[Stream.ERR] == b"to-err\n"
        assert apart or sorted(by_stream[Stream.MIXED].split()) == [b"to-err", b"to-out"]

    @case(OUTPUT)
    async def test_a_last_line_without_an_end_is_seen(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("printf 'whole\\nhalf'"))

        assert joined(await output_of(handle)) == b"whole\nhalf"

    @case(OUTPUT)
    async def test_ten_megabytes_arrive_whole(self, bench: ExecutorBench) -> None:
        # 160,000 lines of 64 bytes that differ, so that a swapped or lost piece is noticed.
        script = "awk 'BEGIN { for (i = 0; i < 160000; i++) printf \"%063d\\n\", i }'"
        handle = await bench.launch(self.shell(script))

        data = joined(await output_of(handle))

        assert len(data) == 160_000 * 64
        assert data == b"".join(b"%063d\n" % number for number in range(160_000))
        assert (await handle.wait()).code == 0

    @case(OUTPUT, DURABLE_OUTPUT)
    async def test_output_is_resumed_at_every_cursor(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(LINES))
        chunks = await output_of(handle)

        for index, chunk in enumerate(chunks):
            rest = await output_of(handle, OutputQuery(since=chunk.cursor, follow=True))
            assert joined(rest) == joined(chunks[index + 1 :])

    @case(OUTPUT, DURABLE_OUTPUT, RECOVER)
    async def test_a_new_executor_object_resumes_at_an_old_cursor(self, bench: ExecutorBench) -> None:
        spec = self.printing(LINES)
        handle = await bench.launch(spec)
        chunks = await output_of(handle)
        state = handle.state()

        launcher = await bench.succeed()

        recovered = await launcher.recover(spec, state)
        assert recovered is not None
        assert joined(await output_of(recovered)) == TEXT
        rest = await output_of(recovered, OutputQuery(since=chunks[0].cursor, follow=True))
        assert joined(rest) == joined(chunks[1:])

    @case(OUTPUT, DURABLE_OUTPUT)
    async def test_output_of_a_killed_run_stays_until_it_is_disposed_of(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(LINES, running=True))
        await printed(handle, LINES[-1].encode())

        await handle.kill()
        await handle.wait()

        assert joined(await output_of(handle)) == TEXT
        assert joined(await output_of(handle, OutputQuery())) == TEXT

    @case(OUTPUT, DURABLE_OUTPUT)
    async def test_output_without_following_ends_at_the_present(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(LINES, running=True))
        await printed(handle, LINES[-1].encode())

        assert joined(await output_of(handle, OutputQuery())) == TEXT

    @pytest.mark.parametrize("tail", [0, 1, 10, 1000])
    @case(OUTPUT, DURABLE_OUTPUT)
    async def test_a_tail_never_gives_fewer_lines_than_asked_for(self, bench: ExecutorBench, tail: int) -> None:
        handle = await bench.launch(self.printing(LINES))
        await handle.wait()

        data = joined(await output_of(handle, OutputQuery(tail=tail)))

        assert TEXT.endswith(data)
        assert data.count(b"\n") >= min(tail, len(LINES))
        assert tail or not data

    @case(OUTPUT, DURABLE_OUTPUT)
    async def test_output_since_a_time(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(LINES))
        await handle.wait()
        hour = timedelta(hours=1)

        everything = joined(await output_of(handle, OutputQuery(since=datetime.now(UTC) - hour)))
        nothing = joined(await output_of(handle, OutputQuery(since=datetime.now(UTC) + hour)))

        assert (everything, nothing) == (TEXT, b"")

    @case(OUTPUT, EXACT_OUTPUT)
    async def test_a_line_of_five_megabytes(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("head -c 5000000 /dev/zero | tr '\\0' x; echo"))

        assert joined(await output_of(handle)) == b"x" * 5_000_000 + b"\n"

    @pytest.mark.parametrize(
        ("octal", "data"),
        [
            ("a\\000b\\000", b"a\0b\0"),
            ("\\377\\376\\200", b"\xff\xfe\x80"),
            ("\\303", b"\xc3"),
            ("\\033[2J\\033]0;x\\007", b"\x1b[2J\x1b]0;x\x07"),
            ("a\\r\\nb\\r", b"a\r\nb\r"),
        ],
        ids=["nul", "invalid-utf-8", "half-a-character", "control-sequences", "carriage-returns"],
    )
    @case(OUTPUT, EXACT_OUTPUT)
    async def test_output_is_exact(self, bench: ExecutorBench, octal: str, data: bytes) -> None:
        handle = await bench.launch(self.shell(f"printf '{octal}'"))

        assert joined(await output_of(handle)) == data

    @case(OUTPUT, DURABLE_OUTPUT)
    async def test_nobody_has_to_read_for_a_program_to_go_on(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("head -c 3000000 /dev/zero | tr '\\0' y; exit 0"))

        async def has_ended() -> bool:
            return (await handle.wait()).code == 0

        await until(has_ended, within=20, what="the end of a program that writes more than a pipe holds")
        assert len(joined(await output_of(handle))) == 3_000_000

    @case(lacks=OUTPUT)
    async def test_output_is_refused_where_it_is_not_declared(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        with pytest.raises(NotSupported):
            await output_of(handle, OutputQuery())
