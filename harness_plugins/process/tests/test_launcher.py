"""What is special about processes of this machine: users, trees, terminals, and a keeper that may die."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import sys
from dataclasses import replace

import pytest

from harness_core.contracts import (
    LOCAL,
    Address,
    Command,
    CommandNotFound,
    HandleState,
    HarnessError,
    LaunchFailed,
    Limits,
    LogSettings,
    NotSupported,
    Port,
    Unreachable,
)
from harness_core.testing.kit.bench import joined, output_of, printed, until
from harness_plugin_process.proc import find

NOBODY = pwd.getpwnam("nobody")
SHOW_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
READ_PROLOGUE = 'IFS= read -r l && eval "$l" && echo "$A"'


async def said(bench, spec) -> str:
    return joined(await output_of(await bench.launch(spec))).decode()


@pytest.mark.usefixtures("needs_root")
async def test_a_service_runs_as_its_user_with_that_users_groups_and_may_reopen_its_output(here):
    script = "id -u; id -g; id -G; echo reopened > /proc/self/fd/1"

    async with here.bench() as bench:
        text = await said(bench, here.shell(script, config={"user": "nobody"}))

    groups = os.getgrouplist("nobody", NOBODY.pw_gid)
    assert text.split("\n")[:2] == [str(NOBODY.pw_uid), str(NOBODY.pw_gid)]
    assert {int(group) for group in text.split("\n")[2].split()} == set(groups)
    assert text.endswith("reopened\n")


@pytest.mark.usefixtures("needs_root")
async def test_the_environment_of_another_user_says_who_that_is(here):
    env = {**here.environment(), "HOME": pwd.getpwuid(0).pw_dir, "USER": "kept"}
    command = Command(("sh", "-c", "echo $HOME $USER"), env=env)

    async with here.bench() as bench:
        text = await said(bench, here.spec(command, config={"user": NOBODY.pw_uid}))

    assert text == f"{NOBODY.pw_dir} kept\n"


@pytest.mark.usefixtures("needs_root")
async def test_a_command_inside_runs_as_the_services_user_unless_it_names_its_own(here):
    async with here.bench() as bench:
        handle = await bench.launch(replace(here.running(), config={"user": "nobody"}))

        for user, uid in ((None, NOBODY.pw_uid), ("root", 0)):
            session = await handle.exec(replace(here.command("id -u"), user=user))
            answer = joined([chunk async for chunk in session.output()])
            assert answer == f"{uid}\n".encode()
            await session.aclose()


@pytest.mark.usefixtures("needs_root")
async def test_a_folder_that_the_user_may_not_enter_is_named_with_what_to_look_at(here, tmp_path):
    tmp_path.chmod(0o700)

    async with here.bench() as bench:
        with pytest.raises(LaunchFailed, match="working directory") as caught:
            await bench.launch(here.shell("pwd", cwd=str(tmp_path), config={"user": "nobody"}))

    assert "namei -l" in (caught.value.hint or "")
    assert not caught.value.transient


async def test_an_unknown_user_is_refused_before_anything_starts(here):
    async with here.bench() as bench:
        spec = here.shell("true", config={"user": "noboddy"})

        with pytest.raises(LaunchFailed, match="no user 'noboddy'"):
            await bench.launcher.prepare(spec)
        assert await bench.launcher.recover(spec, None) is None


async def test_the_environment_is_the_specs_and_our_mark_and_nothing_else(here):
    env = {"ONLY": "this", "EMPTY": ""}
    command = Command((sys.executable, "-I", "-S", "-c", SHOW_ENVIRONMENT), env=env)

    async with here.bench() as bench:
        spec = here.spec(command)
        seen = json.loads(await said(bench, spec))

    seen.pop("LC_CTYPE", None)  # Python sets it by itself where no locale is set
    assert os.path.isabs(seen.pop("HARNESS_KEEPER"))
    assert seen == {**env, "HARNESS_PROJECT": spec.project, "HARNESS_SERVICE": spec.service, "HARNESS_RUN": spec.run}


async def test_a_shell_line_with_pipes_and_variables(here):
    command = Command(("/bin/sh", "-c", "echo $A | tr a-z A-Z; exit 3"), env={**here.environment(), "A": "shouted"})

    async with here.bench() as bench:
        handle = await bench.launch(here.spec(command))

        assert joined(await output_of(handle)) == b"SHOUTED\n"
        assert (await handle.wait()).code == 3


async def test_a_terminal_has_a_size_and_is_the_controlling_one(here):
    async with here.bench() as bench:
        text = await said(bench, here.shell("stty size; tty > /dev/tty", tty=True))

    assert text.splitlines()[0] == "24 80"
    assert text.splitlines()[1].startswith("/dev/pts/")


async def test_a_session_with_a_terminal_is_resized(here):
    async with here.bench() as bench:
        handle = await bench.launch(here.running())
        script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done"
        session = await handle.exec(replace(here.command(script), tty=True))
        seen = b""
        async for chunk in session.output():
            seen += chunk.data
            if b"ready" in chunk.data:
                await session.resize(50, 132)

        assert b"50 132" in seen
        await session.aclose()


async def test_output_in_one_stream_where_asked_for(here):
    async with here.bench() as bench:
        handle = await bench.launch(here.shell("echo a; echo b >&2; echo c", logs=LogSettings(merge=True)))
        chunks = await output_of(handle)

    assert joined(chunks) == b"a\nb\nc\n"
    assert {str(chunk.stream) for chunk in chunks} == {"mixed"}


async def test_a_double_forked_listener_that_ignores_term_is_gone_after_a_kill(here, unused_tcp_port):
    listener = (
        "import os, signal, socket, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        f"s = socket.create_server(('127.0.0.1', {unused_tcp_port})); print('listening', flush=True)\n"
        "time.sleep(600)\n"
    )
    script = f"trap '' TERM; {sys.executable} -c \"$1\"; while :; do sleep 0.1; done"

    async with here.bench() as bench:
        handle = await bench.launch(here.shell(script, listener))
        await printed(handle, b"listening")
        await handle.request_stop(None, 0.1)
        await handle.kill()

        assert (await handle.wait()).signal == "KILL"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        assert (await handle.stats()).processes == 0


async def test_a_prologue_is_the_first_input_and_the_only_one_without_stdin(here):
    program = here.command(f"{READ_PROLOGUE}; cat; echo end")
    command = replace(program, prologue=b"A='from the layer'\n")

    async with here.bench() as bench:
        assert await said(bench, here.spec(command)) == "from the layer\nend\n"

        handle = await bench.launch(here.spec(replace(command, stdin=True)))
        await handle.write(b"input\n")
        await handle.write(None)
        assert joined(await output_of(handle)) == b"from the layer\ninput\nend\n"


async def test_a_prologue_is_not_written_again_when_the_run_exists(here):
    command = replace(here.command("cat; while :; do sleep 0.1; done"), prologue=b"once\n")

    async with here.bench() as bench:
        spec = here.spec(command)
        handle = await bench.launch(spec)
        await bench.launcher.launch(spec)
        await printed(handle, b"once\n")
        await handle.kill()

        assert joined(await output_of(handle)) == b"once\n"


async def test_a_service_with_nothing_but_a_prologue_is_crash_safe(here):
    async with here.bench() as bench:
        fed = await bench.launch(here.spec(replace(here.command("cat"), prologue=b"x")))
        open_ended = await bench.launch(here.spec(replace(here.command("cat"), prologue=b"x", stdin=True)))

        assert fed.state().data["crash_safe"] is True
        assert open_ended.state().data["crash_safe"] is False
        with pytest.raises(NotSupported, match="no stdin"):
            await fed.write(b"more")


async def test_a_command_inside_gets_its_prologue(here):
    command = replace(here.command(f"{READ_PROLOGUE}; cat"), prologue=b"A='a b'\n")

    async with here.bench() as bench:
        handle = await bench.launch(here.running())
        session = await handle.exec(command)

        assert joined([chunk async for chunk in session.output()]) == b"a b\n"
        await session.aclose()


async def test_a_command_inside_that_ends_without_reading_its_prologue_has_its_say(here):
    command = replace(here.command("echo no, not you; exit 5"), prologue=b"x" * 200_000)  # more than a pipe holds

    async with here.bench() as bench:
        handle = await bench.launch(here.running())
        session = await handle.exec(command)

        assert joined([chunk async for chunk in session.output()]) == b"no, not you\n"
        assert (await session.wait()).code == 5
        await session.aclose()


async def test_the_state_tells_people_what_holds(here):
    async with here.bench() as bench:
        handle = await bench.launch(here.running())
        data = handle.state().data

    assert data["containment"] in {"cgroup", "process-groups"}
    assert handle.ref == f"pid {data['pid']}"
    assert data["notes"] == []


async def test_a_limit_that_the_machine_denies_is_reported(here):
    async with here.bench() as bench:
        spec = replace(here.running(), limits=Limits(nofile=2_000_000_000))
        handle = await bench.launch(spec)
        change = await bench.context.reported(spec.run, "note")

    assert "limits.nofile" in change.detail
    assert handle.state().data["notes"] == [change.detail]


async def test_a_stop_that_can_not_be_asked_for_is_a_note_and_a_signal_an_error(here):
    async with here.bench() as bench:
        spec = here.running()
        handle = await bench.launch(spec)

        with pytest.raises(HarnessError, match="can't be sent NONSENSE"):
            await handle.signal("NONSENSE")
        await handle.request_stop("NONSENSE", 0.1)

        change = await bench.context.reported(spec.run, "note")
        assert "can't be sent NONSENSE" in change.detail


async def test_endpoints_are_the_specs_ports_on_loopback(here):
    async with here.bench() as bench:
        handle = await bench.launch(replace(here.running(), ports=(Port("web", 8080, None, "http"), Port("db", 5432, 15432))))
        web, db = await handle.endpoints()

    assert (web.name, web.protocol, web.addresses) == ("web", "http", (Address("127.0.0.1", 8080, within=LOCAL),))
    assert db.addresses[0].port == 15432


async def test_a_survey_gives_the_spec_back_without_its_secrets(here):
    command = Command((*here.running().command.argv, "hunter2"), env={**here.environment(), "PASSWORD": "hunter2", "A": "shown"})
    async with here.bench() as bench:
        spec = here.spec(command, secrets=frozenset({"hunter2"}), labels={"team": "a"}, ports=(Port("web", 80, None, "http"),))
        await bench.launch(spec)
        await bench.succeed()

        (found,) = [each for each in await bench.launcher.survey() if each.run == spec.run]
        stored = {path: path.read_bytes() for path in bench.context.state_dir.rglob("*") if path.is_file()}

    assert found.spec["command"]["env"] == {**here.environment(), "PASSWORD": "", "A": "shown"}
    assert found.spec["command"]["argv"][-1] == ""
    assert found.spec["labels"] == {"team": "a"}
    assert found.spec["ports"] == [{"name": "web", "inner": 80, "outer": None, "protocol": "http"}]
    assert [path for path, text in stored.items() if b"hunter2" in text] == []


async def test_a_service_survives_the_keepers_death_with_pid_output_and_exit_code(here):
    script = "n=0; while [ ! -e \"$1\" ]; do n=$((n+1)); echo $n; sleep 0.02; done; exit 7"
    async with here.bench() as bench:
        stop = bench.context.state_dir / "stop"
        spec = here.shell(script, str(stop))
        handle = await bench.launch(spec)
        await printed(handle, b"\n5\n")
        keeper = await bench.context.keeper()
        killed = keeper.hello.pid
        waiting = asyncio.ensure_future(handle.wait())

        os.kill(killed, signal.SIGKILL)
        await bench.context.reported(spec.run, "unreachable")
        await bench.context.reported(spec.run, "reachable")

        again = await bench.launcher.recover(spec, handle.state())
        assert again is not None
        assert again.ref == handle.ref
        assert keeper.hello.pid != killed
        stop.touch()
        assert (await waiting).code in (7, None)  # an older kernel does not tell those who are not the parent
        assert not (await waiting).succeeded
        lines = joined(await output_of(again)).split()
        assert lines == [b"%d" % n for n in range(1, len(lines) + 1)]


async def test_a_run_that_the_keeper_forgot_but_that_lives_is_not_certainly_gone(here, stranger):
    async with here.bench() as bench, stranger("sleep", "60") as process:
        spec = here.running()
        live = await bench.launch(here.running())
        theirs = {**live.state().data, "pid": process.pid}
        ticks = find(process.pid).identity.start_ticks

        with pytest.raises(Unreachable, match="still lives"):
            await bench.launcher.recover(spec, HandleState(1, {**theirs, "start_ticks": ticks}))
        # The same number, started at another time: a stranger who was given the pid again.
        assert await bench.launcher.recover(spec, HandleState(1, {**theirs, "start_ticks": ticks - 1})) is None


async def test_a_program_that_vanishes_after_prepare_is_named_at_launch(here, tmp_path):
    program = tmp_path / "worker"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    spec = here.spec(Command((str(program),)))

    async with here.bench() as bench:
        await bench.launcher.prepare(spec)
        program.unlink()
        with pytest.raises(CommandNotFound, match="worker"):
            await bench.launcher.launch(spec)


async def test_an_argument_too_long_for_the_system_is_no_matter_of_trying_again(here):
    async with here.bench() as bench:
        with pytest.raises(LaunchFailed) as caught:
            await bench.launch(here.shell("true", "x" * 200_000))

    assert not caught.value.transient


async def test_closing_the_launcher_leaves_services_alone(here):
    async with here.bench() as bench:
        spec = here.running()
        await bench.launch(spec)
        await bench.launcher.aclose()

        async def lives():
            return (await (await bench.context.keeper()).info(spec.run)).exit is None

        await until(lives)
