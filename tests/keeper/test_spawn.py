from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from pathlib import Path

import pytest

from harness_core.keeper import Limits, Refused, SpawnRefused

REPORT = """
import json, os, resource, signal, sys
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print(json.dumps({
    'env': dict(os.environ), 'cwd': os.getcwd(), 'uid': os.getresuid(), 'gid': os.getresgid(), 'groups': os.getgroups(),
    'umask': os.umask(0), 'nofile': resource.getrlimit(resource.RLIMIT_NOFILE), 'sid': os.getsid(0), 'pid': os.getpid(),
    'ignored': int(status['SigIgn'], 16), 'blocked': int(status['SigBlk'], 16),
    'oom': int(open('/proc/self/oom_score_adj').read()), 'fds': sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1],
    'argv': sys.argv[1:],
}))
"""
STANDARD = (1 << 31) - 1  # the two after them are the C library's
PYTHONS_OWN = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
HOSTILE = ["two words", "$HOME", "'quoted\"", "", "line\nbreak", "-dash", "é", "\udcff"]


def report(home, tools, *words, **options):
    async def story(client):
        started = await client.spawn(home.python(REPORT, *words, **options))
        exit = await client.wait("r1")
        said = await tools.text(client, "r1")
        assert exit.code == 0, said
        return started, json.loads(said)

    return home.play(story)


def test_the_exit_code_and_its_time_are_told(home):
    async def story(client):
        started = await client.spawn(home.shell("exit 7"))
        return started, await client.wait("r1"), await client.info("r1")

    started, exit, info = home.play(story)

    assert (exit.code, exit.signal, exit.reason) == (7, None, None)
    assert 0 <= exit.at - started.started_at < 5
    assert info.exit == exit
    assert info.pid == started.pid


def test_a_death_by_signal_is_told_by_its_name(home):
    async def story(client):
        await client.spawn(home.shell("kill -s USR1 $$"))
        return await client.wait("r1")

    exit = home.play(story)

    assert (exit.code, exit.signal) == (None, "USR1")


def test_hostile_arguments_and_environment_arrive_intact(home, tools):
    env = {f"V{number}": word for number, word in enumerate(HOSTILE)}

    _, said = report(home, tools, *HOSTILE, env=env)

    assert said["argv"] == HOSTILE
    assert {name: said["env"][name] for name in env} == env


def test_the_environment_is_the_given_one_and_the_marks(home, tools):
    _, said = report(home, tools, env={"A": "1"})

    said["env"].pop("LC_CTYPE", None)  # Python's own
    marks = {"HARNESS_PROJECT": "p", "HARNESS_SERVICE": "api", "HARNESS_RUN": "r1", "HARNESS_KEEPER": str(home.state)}
    assert said["env"] == {"PATH": os.environ["PATH"], "A": "1", **marks}


def test_a_service_inherits_no_ignored_signal_no_descriptor_no_umask_and_no_protection(home, tools):
    mine = int(Path("/proc/self/oom_score_adj").read_text())

    started, said = report(home, tools)

    assert said["ignored"] & STANDARD == PYTHONS_OWN
    assert said["blocked"] == 0
    assert said["fds"] == [0, 1, 2]
    assert said["umask"] == 0o022
    assert said["oom"] == mine
    assert said["sid"] == said["pid"] == started.pid


def test_the_soft_limit_of_open_files_is_the_users_not_the_keepers(home, tools):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(soft, 512)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
    try:
        _, said = report(home, tools)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert said["nofile"] == [lower, hard]


def test_the_limit_of_open_files_is_applied(home, tools):
    started, said = report(home, tools, limits=Limits(nofile=99))

    assert said["nofile"][0] == 99
    assert not [note for note in started.notes if "nofile" in note]


def test_a_limit_that_cannot_be_applied_is_a_note(home, monkeypatch):
    monkeypatch.setenv("HARNESS_KEEPER_CGROUPS", "off")

    async def story(client):
        return await client.spawn(home.shell("true", limits=Limits(nofile=1 << 30, memory=1 << 30, cpu=0.5, pids=100)))

    notes = home.play(story).notes

    assert [name for name in ("nofile", "memory", "cpu", "pids") if any(f"limits.{name} " in note for note in notes)] == [
        "nofile", "memory", "cpu", "pids",
    ]  # fmt: skip


def test_the_working_directory_is_used(home, tools):
    _, said = report(home, tools, cwd=str(home.folder))

    assert said["cwd"] == str(home.folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_is_become_with_all_its_groups_and_can_write_its_output(home, tools):
    async def story(client):
        await client.spawn(home.shell("ulimit -n; cat /proc/self/status", user="nobody", limits=Limits(nofile=77)))
        await client.wait("r1")
        return (await tools.text(client, "r1")).decode()

    nofile, *lines = home.play(story).splitlines()
    status = dict(line.split(":", 1) for line in lines)

    assert nofile == "77"
    assert status["Uid"].split() == ["65534"] * 4
    assert "0" not in [*status["Gid"].split(), *status["Groups"].split()]
    assert int(status["SigIgn"], 16) & STANDARD == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_who_reopens_its_standard_output_may(home, tools):
    async def story(client):
        await client.spawn(home.shell("echo out > /dev/stdout; echo err > /dev/stderr", user="nobody"))
        await client.wait("r1")
        return await tools.text(client, "r1")

    assert home.play(story) == b"out\nerr\n"


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"argv": ["no-such-program"]}, "command-not-found", "no-such-program"),
        ({"argv": ["/no/such/file"]}, "command-not-found", "/no/such/file"),
        ({"argv": ["{folder}/plain"]}, "not-executable", "plain"),
        ({"argv": ["{folder}/orphan"]}, "command-not-found", "interpreter"),
        ({"argv": ["{folder}/text"]}, "not-executable", "ENOEXEC"),
        ({"argv": ["{folder}"]}, "not-executable", "not an executable file"),
        ({"argv": ["true"], "cwd": "/no/such/folder"}, "bad-cwd", "/no/such/folder"),
        ({"argv": ["true"], "cwd": "{folder}/plain"}, "bad-cwd", "Not a directory"),
        ({"argv": ["true"], "user": "no-such-user"}, "unknown-user", "no-such-user"),
        ({"argv": ["true", "x" * (3 << 20)]}, "bad-request", "E2BIG"),
        ({"argv": ["true", "nul\0"]}, "bad-request", "NUL"),
        ({"argv": []}, "bad-request", "argv"),
    ],
)
def test_what_cannot_be_started_is_refused_by_name_and_leaves_nothing(home, options, kind, words):
    (home.folder / "plain").write_text("no mode to execute")
    for name, content in (("orphan", "#!/no/such/interpreter\n"), ("text", "neither ELF nor script\n")):
        (home.folder / name).write_text(content)
        (home.folder / name).chmod(0o755)
    argv = [word.format(folder=home.folder) for word in options.pop("argv")]
    options = {name: value.format(folder=home.folder) for name, value in options.items()}

    async def story(client):
        before = await client.keeper_stats()
        with pytest.raises(Refused) as caught:
            await client.spawn(home.command(*argv, **options))
        return caught.value, before, await client.keeper_stats(), await client.list()

    error, before, after, runs = home.play(story)

    assert error.kind == kind
    assert words in str(error)
    assert runs == []
    assert after.fds == before.fds
    assert list((home.state / "runs").iterdir()) == []


def test_the_program_is_looked_up_on_the_path_of_the_given_environment(home, tools):
    there = home.folder / "bin"
    there.mkdir()
    (there / "greet").write_text("#!/bin/sh\necho hello\n")
    (there / "greet").chmod(0o755)

    async def story(client):
        with pytest.raises(SpawnRefused):
            await client.spawn(home.command("greet"))
        await client.spawn(home.command("greet", env={"PATH": str(there)}))
        await client.wait("r1")
        return await tools.text(client, "r1")

    assert home.play(story) == b"hello\n"


def test_a_replayed_spawn_gives_the_run_that_exists_never_a_second_copy(home, tools):
    async def story(client):
        first, second = await asyncio.gather(*(client.spawn(home.command("sleep", "54321")) for _ in range(2)))
        copies = tools.processes_with("54321")
        await client.kill("r1")
        third = await client.spawn(home.command("sleep", "54321"))
        return first, second, third, copies, tools.processes_with("54321")

    first, second, third, copies, after = home.play(story)

    assert first == second == third
    assert copies == [first.pid]
    assert after == []


def test_spawns_of_one_tick_travel_together_the_first_of_them_without_waiting_for_the_last(home):
    sent = []

    async def story(client):
        write = client._link.post_text
        client._link.post_text = lambda text: (sent.append(json.loads(text)), write(text))
        return await asyncio.gather(*(client.spawn(home.command("true", run=f"r{n}")) for n in range(20)))

    started = home.play(story)

    assert [started_.run for started_ in started] == [f"r{n}" for n in range(20)]
    assert [len(message["batch"]) for message in sent if message["op"] == "spawn"] == [8, 8, 4]


@pytest.mark.parametrize("run", ["", "UPPER", "../up", "a" * 33, "a b"])
def test_a_run_with_a_bad_name_is_refused(home, run):
    async def story(client):
        with pytest.raises(Refused, match="a run is named"):
            await client.spawn(home.command("true", run=run))

    home.play(story)


def test_labels_and_the_spec_come_back_and_the_spec_is_private(home):
    async def story(client):
        spec = {"env": {"SECRET": "s3cret"}, "n": [1, None, "é"]}
        await client.spawn(home.command("true", labels={"a": "b"}, spec=spec))
        await client.wait("r1")
        return await client.list(), await client.list(specs=True), await client.info("r1")

    bare, full, info = home.play(story)

    assert bare[0].spec is None
    assert full[0].spec == info.spec == {"env": {"SECRET": "s3cret"}, "n": [1, None, "é"]}
    assert info.labels == {"a": "b"}
    for folder, _, files in os.walk(home.state):
        assert os.stat(folder).st_mode & 0o777 == 0o700
        for name in files:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, name


def test_a_signal_reaches_the_main_process_by_its_name(home, tools):
    async def story(client):
        await client.spawn(home.shell("trap 'echo got it; exit 4' HUP; echo ready; while :; do sleep 0.01; done"))
        await tools.until(client, "r1", b"ready\n")
        await client.signal("r1", "HUP")
        exit = await client.wait("r1")
        await client.signal("r1", "HUP")  # gone already: nothing happens
        with pytest.raises(Refused, match="NOPE"):
            await client.signal("r1", "NOPE")
        return exit, await tools.text(client, "r1")

    exit, said = home.play(story)

    assert exit.code == 4
    assert said == b"ready\ngot it\n"


def test_exits_of_many_are_all_told(home):
    async def story(client):
        names = [f"r{n}" for n in range(50)]
        await asyncio.gather(*(client.spawn(home.shell(f"exit {n}", run=name)) for n, name in enumerate(names)))
        return [exit.code for exit in await asyncio.gather(*(client.wait(name) for name in names))]

    assert home.play(story) == list(range(50))


def test_a_broken_pipe_ends_a_service_as_it_would_from_a_shell(home):
    async def story(client):
        await client.spawn(home.shell("yes | head -n 1 >&2; kill -s PIPE $$; echo survived"))
        return await client.wait("r1")

    assert home.play(story).signal == "PIPE"


def test_no_exit_is_stolen_and_no_zombie_is_kept(home):
    async def story(client):
        await client.spawn(home.shell("(sleep 0.05 & ) ; (true &) ; exit 3"))
        exit = await client.wait("r1")
        await client.kill("r1")
        return exit

    exit = home.play(story)
    children = Path(f"/proc/{home.keeper_pid}/task/{home.keeper_pid}/children").read_text().split()

    assert exit.code == 3
    assert children == []


def test_a_run_out_of_descriptors_is_refused_clearly_and_others_go_on(home):
    async def story(client):
        await client.spawn(home.command("sleep", "1000", run="other"))
        limit = resource.prlimit(home.keeper_pid, resource.RLIMIT_NOFILE)
        used = (await client.keeper_stats()).fds
        resource.prlimit(home.keeper_pid, resource.RLIMIT_NOFILE, (used + 2, limit[1]))
        with pytest.raises(SpawnRefused, match="EMFILE") as caught:
            await client.spawn(home.command("true"))
        with pytest.raises(SpawnRefused, match="EMFILE"):
            await client.exec(None, ["true"], env={})
        resource.prlimit(home.keeper_pid, resource.RLIMIT_NOFILE, limit)
        await client.spawn(home.command("true"))
        await client.wait("r1")
        return caught.value.kind, await client.keeper_stats()

    kind, stats = home.play(story)

    assert kind == "resources"
    assert stats.live == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_at_its_limit_of_processes_is_refused_clearly_and_others_go_on(home):
    async def story(client):
        await client.spawn(home.command("sleep", "1000", run="other", user="nobody"))
        limit = resource.prlimit(home.keeper_pid, resource.RLIMIT_NPROC)
        resource.prlimit(home.keeper_pid, resource.RLIMIT_NPROC, (0, limit[1]))
        with pytest.raises(SpawnRefused, match="EAGAIN") as caught:
            await client.spawn(home.command("true", user="nobody"))
        resource.prlimit(home.keeper_pid, resource.RLIMIT_NPROC, limit)
        await client.spawn(home.command("true", user="nobody"))
        await client.wait("r1")
        return caught.value.kind, await client.keeper_stats()

    kind, stats = home.play(story)

    assert kind == "resources"
    assert stats.live == 1


def test_signals_have_names_both_ways():
    from harness_core.keeper.server import kernel

    assert kernel.signal_number("term") == kernel.signal_number("SIGTERM") == signal.SIGTERM
    assert kernel.signal_number("_IGN") is None
    assert kernel.signal_name(9) == "KILL"
    assert kernel.signal_name(60) == "60"


def test_a_spawn_that_is_no_json_hurts_no_other_of_its_batch(home):
    async def story(client):
        return await asyncio.gather(
            client.spawn(home.command("true", run="good")),
            client.spawn(home.command("true", run="bad", spec={"not": {"json"}})),
            return_exceptions=True,
        )

    good, bad = home.play(story)

    assert good.run == "good"
    assert isinstance(bad, TypeError)
