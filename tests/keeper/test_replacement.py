"""The keeper becomes other code, and nobody who lives under it notices."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

import harness_core
from harness_core.keeper import KeeperError, Refused
from harness_core.keeper.bundle import bundle
from harness_core.keeper.local import connect_local

COUNTER = "import os, sys, time\nfor n in range(300): os.write(1, b'%d\\n' % n); time.sleep(0.003)\nsys.exit(int(sys.argv[1]))"
COUNTED = b"".join(b"%d\n" % n for n in range(300))
AWAIT = "\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
CODE = Path(harness_core.__file__).parent / "keeper" / "server"
ENV = {"PATH": os.environ["PATH"]}


def other_code(folder: Path, *, file: str = "refusal.py", change: str = "# another release\n") -> str:
    """A copy of the keeper's code elsewhere, with something written behind one of its files."""
    root = folder / f"release-{time.monotonic_ns()}"
    shutil.copytree(CODE.parents[1] / "keeper", root / "harness_core" / "keeper", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CODE.parents[1] / "__init__.py", root / "harness_core")
    changed = root / "harness_core" / "keeper" / "server" / file
    changed.write_text(changed.read_text() + change)
    return str(changed.parent)


def test_under_load_it_keeps_pids_codes_output_input_and_cursors(home, tools, containment):
    async def story(client):
        names = [f"r{n}" for n in range(5)]
        started = await asyncio.gather(*(client.spawn(home.python(COUNTER, str(n), run=name)) for n, name in enumerate(names)))
        await client.spawn(home.shell("cat; exit 8", run="reader", stdin=True))
        await client.write("reader", b"before ")
        followed = [asyncio.ensure_future(tools.text(client, name, follow=True)) for name in names]
        await tools.until(client, "r4", b"30\n")
        before = client.hello
        replaced = [await client.replace(code=other_code(home.folder, change=f"# {n}\n")) for n in range(2)]
        await client.write("reader", b"after")
        await client.write("reader", None)
        infos = {info.run: info for info in await client.list()}
        exits = [(await client.wait(name)).code for name in [*names, "reader"]]
        said = [*await asyncio.gather(*followed), await tools.text(client, "reader")]
        return started, before, replaced, infos, exits, said

    started, before, replaced, infos, exits, said = home.play(story)

    assert [(one.replaced, one.crashed) for one in replaced] == [(True, False)] * 2
    assert len({before.code, *(one.hello.code for one in replaced)}) == 3
    after = replaced[-1].hello
    assert (after.epoch, after.pid, after.resumed) == (before.epoch, before.pid, True)
    assert [infos[one.run].pid for one in started] == [one.pid for one in started]
    assert not any(info.adopted for info in infos.values())
    assert exits == [0, 1, 2, 3, 4, 8]
    assert said == [COUNTED] * 5 + [b"before after"]


def test_who_ends_at_that_very_moment_has_its_true_code(home):
    async def story(client):
        for number in range(30):
            await client.spawn(home.shell(f"sleep 0.{number:02d}; exit {number}", run=f"r{number}"))
        while not (await client.replace(code=str(CODE), even_if_same=True)).replaced:
            raise AssertionError
        while len([info for info in await client.list() if info.exit is None]) > 3:
            await client.replace(code=str(CODE), even_if_same=True)
        return [(await client.wait(f"r{number}")).code for number in range(30)]

    assert home.play(story) == list(range(30))


def test_a_terminal_stays_alive_and_can_be_typed_into(home, tools):
    async def story(client):
        script = "stty -echo; echo ready; while read -r line; do echo \"got $line\"; done; test -t 0; exit 5"
        started = await client.spawn(home.shell(script, tty=True))
        await tools.until(client, "r1", b"ready")
        await client.write("r1", b"one\n")
        await tools.until(client, "r1", b"got one")
        await client.replace(code=other_code(home.folder))
        await client.write("r1", b"two\n")
        await tools.until(client, "r1", b"got two")
        info = await client.info("r1")
        await client.write("r1", b"\x04")
        return started.pid, info.pid, (await client.wait("r1")).code

    before, after, code = home.play(story)

    assert before == after
    assert code == 5


def test_input_that_nobody_has_read_yet_is_kept_with_its_end(home, tools):
    much = b"x" * 400_000

    async def story(client):
        waits = "while [ ! -e go ]; do sleep 0.01; done; wc -c"
        await client.spawn(home.shell(waits, stdin=True, cwd=str(home.folder)))
        writing = asyncio.ensure_future(client.write("r1", much))
        ending = asyncio.ensure_future(client.write("r1", None))
        await client.spawn(home.shell(waits, run="r2", cwd=str(home.folder), prologue=much))
        await client.list()  # the writes, asked for before, have come in
        await client.replace(code=other_code(home.folder))
        await asyncio.gather(writing, ending)
        (home.folder / "go").touch()
        await asyncio.gather(client.wait("r1"), client.wait("r2"))
        return [int(await tools.text(client, run)) for run in ("r1", "r2")]

    assert home.play(story) == [len(much)] * 2


def test_what_an_earlier_keeper_started_and_what_has_ended_go_along(home, tools, containment):
    async def first(client):
        await client.spawn(home.shell("echo kept; exit 4", run="ended"))
        await client.wait("ended")
        return await client.spawn(home.shell("trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done"))

    async def second(client):
        await client.list()
        descriptors = (await client.keeper_stats()).fds
        for _ in range(3):
            await client.replace(code=str(CODE), even_if_same=True)
        grown = (await client.keeper_stats()).fds - descriptors
        infos = {info.run: info for info in await client.list()}
        await tools.until(client, "r1", b"up\n")
        await client.signal("r1", "TERM")
        return infos, grown, await client.wait("r1"), await tools.text(client, "ended")

    started = home.play(first)
    home.kill_keeper()
    infos, grown, exit, said = home.play(second)

    assert infos["r1"].pid == started.pid
    assert infos["r1"].adopted
    assert infos["ended"].exit.code == 4
    assert exit.code in (6, None), "of a process that is not ours, where the kernel tells"
    assert said == b"kept\n"
    assert grown == 0


def test_no_service_inherits_what_was_handed_over(home, tools):
    async def story(client):
        await client.spawn(home.command("sleep", "1000"))
        await client.replace(code=other_code(home.folder))
        await client.spawn(home.shell("ls /proc/self/fd | wc -l", run="r2"))
        await client.wait("r2")
        return int(await tools.text(client, "r2"))

    assert home.play(story) == 4, "0, 1, 2 and the listing's own"


def test_the_same_code_is_left_alone(home):
    async def story(client):
        before = client.hello
        result = await client.replace(code=str(CODE))
        return before, result, client.hello

    before, result, after = home.play(story)

    assert not result.replaced
    assert before is after


@pytest.mark.parametrize(
    ("file", "change", "cause"),
    [
        ("loop.py", "\nthis is no Python\n", "SyntaxError"),
        ("run.py", "\nimport no_such_module\n", "no_such_module"),
        ("code.py", "\nSTATES = (2, 3)\n", r"it reads state of version 2, 3, and this keeper's is of version 1"),
        ("main.py", "\nabout = dict\n", "it did not say"),
        ("code.py", "\nimport time, sys\ntime.sleep(60 if '--check' in sys.argv else 0)\n", "did not answer within 2 s"),
    ],
)
def test_code_that_can_not_take_over_is_refused_with_the_reason(home, monkeypatch, file, change, cause):
    code = other_code(home.folder, file=file, change=change)

    async def story(client):
        started = await client.spawn(home.command("sleep", "1000"))
        before = client.hello
        with pytest.raises(Refused, match=cause) as refused:
            await client.replace(code=code, check_timeout=2)
        assert (await client.exec(None, ["true"], env=ENV)).pid
        return started, refused.value.kind, before is client.hello, await client.info("r1")

    started, kind, same, info = home.play(story)

    assert kind == "unusable-code"
    assert same
    assert info.pid == started.pid


def test_what_is_not_there_or_no_interpreter_is_refused(home):
    async def story(client):
        for python, code, cause in [
            (None, "/nowhere/at/all", "nowhere"),
            ("/nowhere/python", str(CODE), "nowhere/python"),
            ("/bin/false", str(CODE), "did not say"),
            (None, "relative", "not an absolute path"),
        ]:
            with pytest.raises(Refused, match=cause):
                await client.replace(code=code, python=python)
        return (await client.replace(code=str(CODE), even_if_same=True)).replaced

    assert home.play(story)


def test_code_that_dies_while_it_takes_over_costs_no_more_than_a_kill(home, tools):
    change = "\ndef take_over(keeper, state): raise RuntimeError('born to fail')\n"
    code = other_code(home.folder, file="state.py", change=change)

    async def story(client):
        # It lives until somebody keeps it again: what is in a pipe goes with the last who holds it.
        started = await client.spawn(home.python(COUNTER.replace("sys.exit", AWAIT + "sys.exit"), "7", cwd=str(home.folder)))
        await tools.until(client, "r1", b"30\n")
        result = await client.replace(code=code)
        info = await client.info("r1")
        (home.folder / "go").touch()
        exit = await client.wait("r1")
        return started, result, info, exit, await tools.text(client, "r1")

    started, result, info, exit, said = home.play(story)

    assert result.crashed
    assert result.hello.pid != started.pid
    assert (info.pid, info.adopted) == (started.pid, True)
    assert exit.code in (7, None)
    assert exit.reason is None
    assert said == COUNTED
    trouble = home.state / "keeper.log"
    assert "born to fail" in trouble.read_text()
    trouble.unlink()


def test_a_system_that_will_not_run_it_after_all_changes_nothing(home, tools):
    once = home.folder / "python"
    once.write_text(f'#!/bin/sh\nrm "$0"\nexec {sys.executable} "$@"\n')
    once.chmod(0o755)

    async def story(client):
        started = await client.spawn(home.command("sleep", "1000"))
        before = client.hello
        with pytest.raises(KeeperError, match="stayed what it was"):
            await client.replace(code=other_code(home.folder), python=str(once))
        await client.spawn(home.shell("ls /proc/self/fd | wc -l", run="r2"))
        await client.wait("r2")
        again = await client.replace(code=other_code(home.folder))
        return started, before, await client.info("r1"), await tools.text(client, "r2"), again

    started, before, info, descriptors, again = home.play(story)

    assert (info.pid, info.adopted) == (started.pid, False)
    assert int(descriptors) == 4, "nothing of what was to be handed over is inherited"
    assert (again.replaced, again.crashed, again.hello.epoch) == (True, False, before.epoch)


async def until_it_leaves(home):
    """Return once the keeper has checked the new code: it begins no command any more."""
    reader, writer = await connect_local(home.state)
    for number in itertools.count():
        request = {"op": "exec", "id": number, "exec": f"probe{number}", "argv": ["true"], "env": ENV, "cwd": "/"}
        writer.write(json.dumps(request).encode() + b"\n")
        answer = {}
        while answer.get("re") != number:
            answer = json.loads(await reader.readline())
        if "error" in answer:
            assert answer["error"]["kind"] == "replacing"
            break
    writer.close()


def test_a_transient_command_may_end_or_is_ended_and_told_so_and_none_is_begun(home):
    async def story(client):
        short = await client.exec(None, ["sh", "-c", "sleep 0.3; exit 3"], env=ENV)
        long = await client.exec(None, ["sleep", "1000"], env=ENV)
        replacing = asyncio.ensure_future(client.replace(code=other_code(home.folder)))
        await until_it_leaves(home)
        late = await client.exec(None, ["sh", "-c", "sleep 2.2; exit 9"], env=ENV, timeout=20)
        await replacing
        return (await short.wait()).code, await long.wait(), await late.wait()

    code_of_short, long, late = home.play(story)

    assert code_of_short == 3
    assert (long.signal, long.reason) == ("KILL", "replaced")
    assert late.code == 9, "what was asked for meanwhile is begun by the new keeper"
    assert not os.listdir(home.state / "execs")


def test_requests_and_spawns_that_come_meanwhile_are_carried_out_once(home):
    async def story(client):
        replacing = asyncio.ensure_future(client.replace(code=other_code(home.folder)))
        spawning = [asyncio.ensure_future(client.spawn(home.command("sleep", "1000", run=f"r{n}"))) for n in range(60)]
        while not replacing.done():
            await client.list()
        started = await asyncio.gather(*spawning)
        return {one.pid for one in started}, {info.pid for info in await client.list()}

    told, there = home.play(story)

    assert len(told) == 60
    assert told == there


def test_two_at_once_are_one(home):
    async def story(client):
        codes = [other_code(home.folder, change=f"# {n}\n") for n in range(2)]
        results = await asyncio.gather(*(client.replace(code=code) for code in codes), return_exceptions=True)
        return results

    first, second = home.play(story)

    assert first.replaced
    assert isinstance(second, Refused)


def test_a_keeper_on_a_full_disk_is_replaced_without_writing(home, tools, monkeypatch):
    async def story(client):
        await client.spawn(home.command("sleep", "1000"))
        # As on a full disk: nothing can be made anew in its folder, what is open stays writable.
        fresh = home.state / "journal.new"
        fresh.mkdir()
        result = await client.replace(code=other_code(home.folder))
        os.kill((await client.info("r1")).pid, signal.SIGTERM)
        exit = await client.wait("r1")
        fresh.rmdir()
        return result, exit

    result, exit = home.play(story)

    assert result.replaced
    assert not result.crashed
    assert exit.signal == "TERM"


@pytest.mark.parametrize("name", ["HUP", "TERM"])
def test_a_signal_during_it_is_obeyed_afterwards(home, tools, name):
    # The new code gets it when it has no handlers yet, whose default would be death.
    change = f"\n_close = close_on_exec\ndef close_on_exec():\n    os.kill(os.getpid(), signal.SIG{name})\n    _close()\n"
    code = other_code(home.folder, file="state.py", change=change)

    async def story(client):
        started = await client.spawn(home.command("sleep", "1000"))
        pid = client.hello.pid
        result = await client.replace(code=code)
        if name == "TERM":
            tools.eventually(lambda: not tools.alive(pid))
        return started, result, await client.info("r1")

    started, result, info = home.play(story)

    assert tools.alive(started.pid)
    assert info.pid == started.pid
    if name == "HUP":
        assert not result.crashed
    assert not (home.state / "keeper.log").exists()


def test_it_can_move_into_one_file_and_out_of_it(home):
    archive = home.folder / "keeper.zip"
    archive.write_bytes(bundle())

    async def story(client):
        into = await client.replace(code=str(archive), even_if_same=True)
        same = await client.replace(code=str(CODE))
        out = await client.replace(code=str(CODE), even_if_same=True)
        return into, same, out

    into, same, out = home.play(story)

    assert into.replaced
    assert not same.replaced, "a zip of the same code is the same code"
    assert out.replaced
    assert not out.crashed


def test_the_state_is_for_nobody_else(home):
    async def story(client):
        await client.replace(code=str(CODE), even_if_same=True)
        return client.hello.pid

    pid = home.play(story)

    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    assert not [link for link in links if "memfd" in link]
    assert stat.S_IMODE((home.state / "journal").stat().st_mode) == 0o600
