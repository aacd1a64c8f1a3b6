"""The keeper dies, is replaced or replaces itself, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness_core.keeper import Refused

COUNTER = "import os, sys, time\nfor n in range(300): os.write(1, b'%d\\n' % n); time.sleep(0.003)\nsys.exit(int(sys.argv[1]))"
COUNTED = b"".join(b"%d\n" % n for n in range(300))


def test_an_exit_while_no_client_is_there_is_told_later_with_its_code_and_time(home):
    async def first(client):
        return await client.spawn(home.shell("sleep 0.1; exit 42"))

    async def second(client):
        return await client.wait("r1"), (await client.info("r1")).exit

    started = home.play(first)
    exit, seen = home.play(second)

    assert exit == seen
    assert exit.code == 42
    assert 0.05 < exit.at - started.started_at < 5


def test_after_kill_9_of_the_keeper_all_services_live_no_output_is_missing_and_codes_are_told(home, tools, containment):
    async def story(client):
        names = [f"r{n}" for n in range(6)]
        started = await asyncio.gather(*(client.spawn(home.python(COUNTER, str(n), run=name)) for n, name in enumerate(names)))
        waits = [asyncio.ensure_future(client.wait(name)) for name in names]
        followed = [asyncio.ensure_future(tools.text(client, name, follow=True)) for name in names]
        await tools.until(client, "r5", b"30\n")
        before = client.hello
        home.kill_keeper()
        begin = time.monotonic()
        infos = await client.list()
        took = time.monotonic() - begin
        exits = await asyncio.gather(*waits)
        return started, before, client.hello, infos, took, exits, await asyncio.gather(*followed)

    started, before, after, infos, took, exits, said = home.play(story)

    assert after.epoch != before.epoch
    assert after.pid != before.pid
    assert [(info.pid, info.start_ticks, info.adopted) for info in infos] == [(s.pid, s.start_ticks, True) for s in started]
    assert took < 3
    assert said == [COUNTED] * 6
    assert {exit.signal for exit in exits} == {None}  # nobody died of SIGPIPE
    assert {exit.reason for exit in exits} == {None}
    assert [exit.code for exit in exits] == list(range(6))


def test_a_service_that_ends_while_there_is_no_keeper_is_lost_or_its_true_code_is_told(home, tools):
    async def first(client):
        started = await client.spawn(home.shell("echo ran; while [ ! -e go ]; do sleep 0.01; done; exit 3", cwd=str(home.folder)))
        await tools.until(client, "r1", b"ran\n")
        return started

    async def second(client):
        return await client.wait("r1"), await tools.text(client, "r1")

    started = home.play(first)
    home.kill_keeper()
    (home.folder / "go").touch()
    tools.eventually(lambda: not tools.alive(started.pid))
    exit, said = home.play(second)

    # Process 1 may not have reaped it yet: then its code can still be read.
    assert (exit.code, exit.signal, exit.reason) in [(None, None, "lost"), (3, None, None)]
    assert said == b"ran\n"


@pytest.mark.parametrize("foreign", ["recycled pid", "other boot"])
def test_a_stranger_who_has_the_recorded_pid_is_never_signalled(home, tools, foreign):
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as decoy:
        try:

            async def first(client):
                return await client.spawn(home.command("sleep", "1000"))

            started = home.play(first)
            home.kill_keeper()
            journal = home.state / "journal"
            records = [json.loads(line) for line in journal.read_bytes().split(b"\n") if line.strip(b"\0")]
            record = next(record for record in records if record["ev"] == "started")
            os.kill(started.pid, signal.SIGKILL)
            tools.eventually(lambda: not tools.alive(started.pid))
            record["pid"] = decoy.pid
            if foreign == "other boot":
                record["start_ticks"] = int(Path(f"/proc/{decoy.pid}/stat").read_text().rpartition(")")[2].split()[19])
                record["boot_id"] = "another"
            record["cgroup"], record["containment"] = None, "process-groups"
            journal.write_text("".join(json.dumps(record) + "\n" for record in records))

            async def second(client):
                exit = await client.wait("r1")
                await client.signal("r1", "KILL")
                await client.kill("r1")
                await client.dispose("r1")
                return exit

            exit = home.play(second)

            assert (exit.code, exit.signal, exit.reason) == (None, None, "lost")
            assert decoy.poll() is None
        finally:
            decoy.kill()


def test_a_tree_of_an_adopted_run_is_killed_whole(home, tools, containment):
    word = f"orphan-{os.getpid()}-{time.monotonic_ns()}"
    script = f"(exec -a {word} sleep 600) & setsid -f bash -c 'exec -a {word} sleep 600'; echo up; wait"

    async def story(client):
        await client.spawn(home.command("bash", "-c", script))
        await tools.until(client, "r1", b"up\n")
        tools.eventually(lambda: len(tools.processes_with(word)) >= 2)
        home.kill_keeper()
        await client.kill("r1")
        left = tools.processes_with(word)
        exit = await client.wait("r1")
        await client.dispose("r1")
        return left, exit

    left, exit = home.play(story)

    assert left == []
    assert (exit.code, exit.signal) == (None, "KILL")


def test_a_transient_command_dies_when_its_keeper_was_killed(home, tools, containment):
    word = f"probe-{os.getpid()}-{time.monotonic_ns()}"

    async def story(client):
        await client.exec(None, ["bash", "-c", f"exec -a {word} sleep 600"], env={"PATH": os.environ["PATH"]})
        tools.eventually(lambda: tools.processes_with(word))
        home.kill_keeper()
        await client.list()
        tools.eventually(lambda: not tools.processes_with(word) and not os.listdir(home.state / "execs"))

    home.play(story)


def test_a_keeper_killed_between_a_start_and_the_note_of_it_makes_no_second_copy(home, tools):
    async def first(client):
        return await client.spawn(home.command("sleep", "1000", spec={"a": 1}))

    async def second(client):
        again = await client.spawn(home.command("sleep", "1000"))
        return again, await client.info("r1")

    started = home.play(first)
    home.kill_keeper()
    asked, _ = (home.state / "journal").read_bytes().split(b"\n", 1)
    (home.state / "journal").write_bytes(asked + b'\n{"ev":"star')  # torn: the start was never written down
    again, info = home.play(second)

    assert again.pid == started.pid
    assert info.adopted
    assert info.spec == {"a": 1}


def test_a_keeper_killed_before_it_started_anything_leaves_no_ghost(home):
    home.play(lambda client: client.list())
    home.kill_keeper()
    for name, mark in (("half", '{"project": "p"'), ("whole", None)):
        folder = home.state / "runs" / name
        folder.mkdir()
        full = {"project": "p", "service": "s", "run": name, "labels": {}, "stdin": False, "tty": False, "spec": None}
        full["logs"] = {"max_size": 1, "keep": 1, "merge": False}
        (folder / "mark").write_text(mark or json.dumps(full))

    assert home.play(lambda client: client.list()) == []
    assert list((home.state / "runs").iterdir()) == []


def test_finished_runs_and_their_output_survive_a_restart(home, tools):
    async def first(client):
        await client.spawn(home.shell("echo kept; exit 4"))
        return await client.wait("r1")

    async def second(client):
        info = await client.info("r1")
        return info.exit, await tools.text(client, "r1")

    exit = home.play(first)
    home.kill_keeper()

    assert home.play(second) == (exit, b"kept\n")


def test_a_terminated_keeper_leaves_services_running_for_the_next(home, tools):
    async def first(client):
        return await client.spawn(home.command("sleep", "1000"))

    started = home.play(first)
    pid = home.keeper_pid
    os.kill(pid, signal.SIGTERM)
    tools.eventually(lambda: not tools.alive(pid))

    infos = home.play(lambda client: client.list())

    assert [(info.pid, info.exit) for info in infos] == [(started.pid, None)]


def test_a_keeper_with_live_runs_quits_only_by_force_and_leaves_them_running(home, tools):
    async def story(client):
        started = await client.spawn(home.command("sleep", "1000"))
        with pytest.raises(Refused, match="1 runs are live"):
            await client.shutdown()
        await client.shutdown(force=True)
        return started

    started = home.play(story)

    assert tools.alive(started.pid)
    assert [info.pid for info in home.play(lambda client: client.list())] == [started.pid]
