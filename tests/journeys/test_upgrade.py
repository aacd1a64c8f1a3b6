"""`harness daemon upgrade`, from one Python environment to another and back, under thirty services."""

from __future__ import annotations

import compileall
import os
import re
import shutil
import signal
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness_core.client import RemoteError, connect
from harness_core.protocol import UpgradeDaemon

ROOT = Path(__file__).parents[2]
PLUGINS = ("health", "layers", "process", "sqlite")
SITE = Path("lib") / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
KEEPER = "harness_core/keeper/server/refusal.py"


class Environment:
    """A virtual environment with a copy of harness of its own, as pip would have made it, of any version."""

    def __init__(self, folder: Path, version: str, template: Path) -> None:
        self.folder, self.version = folder, version
        # The very files, compiled ones too: only what a test changes is made and compiled again.
        shutil.copytree(template, folder, symlinks=True, copy_function=os.link)
        self.site = folder / SITE
        self.change("harness_core/__init__.py", '"0.1.0"', f'"{version}"')
        for info in self.site.glob("harness_*.dist-info"):
            self.change(f"{info.name}/METADATA", "Version: 0.1.0", f"Version: {version}")
        script = self.bin / "harness"
        script.write_text(f"#!{self.bin / 'python'}\nimport sys\nfrom harness_core.cli.entry import main\nsys.exit(main())\n")
        script.chmod(0o755)

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def change(self, file: str, old: str, new: str) -> None:
        """Another release's code."""
        path = self.site / file
        text = path.read_text()
        assert old in text
        self.write(file, text.replace(old, new))

    def append(self, file: str, text: str) -> str:
        """Something behind a file; what it was before."""
        before = (self.site / file).read_text()
        self.write(file, before + text)
        return before

    def write(self, file: str, text: str) -> None:
        path = self.site / file
        path.unlink()  # it is the template's as well
        path.write_text(text)
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()  # a file of the same size within the same second would be taken for it


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """The environment that the others are copies of, compiled; what harness needs besides is lent by the one of these tests."""
    folder = tmp_path_factory.mktemp("template") / "env"
    site = folder / SITE
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\ninclude-system-site-packages = false\n")
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    for known in Path(sysconfig.get_path("purelib")).iterdir():
        if not known.name.lower().startswith(("harness", "_editable", "__pycache__")):
            (site / known.name).symlink_to(known)
    copy(ROOT / "harness_core", site)
    for plugin in PLUGINS:
        package = f"harness_plugin_{plugin}"
        copy(ROOT / "harness_plugins" / plugin / package, site)
        info = site / f"{package}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: harness-plugin-{plugin}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[harness.plugins]\n{plugin} = {package}.plugin\n")
    for package in site.glob("harness_*/"):
        assert compileall.compile_dir(package, quiet=1)
    return folder


def copy(source: Path, site: Path) -> None:
    shutil.copytree(source, site / source.name, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def environment(tmp_path: Path, template: Path) -> Callable[[str], Environment]:
    return lambda version: Environment(tmp_path / f"env-{version}", version, template)


def belongs_to(harness, there: Environment):
    """Commands are from that environment from now on."""
    harness.command = (str(there.bin / "harness"),)
    harness.env["PATH"] = f"{there.bin}:{os.environ['PATH']}"


@pytest.fixture
def two(harness, environment):
    """Old and new environment, with the new one's keeper another than the old one's; the commands are the old one's."""
    old, new = environment("1.0"), environment("2.0")
    new.append(KEEPER, "\n# another release\n")
    belongs_to(harness, old)
    return old, new


@pytest.fixture
def thirty(harness, two):
    shutil.copytree(ROOT / "examples" / "thirty", harness.project, dirs_exist_ok=True)
    harness.ok("up", "-d", timeout=120)
    return harness


def pids(harness) -> dict[str, int]:
    return {name: service["pid"] for name, service in harness.status().items() if service["state"] == "running"}


def numbers(lines: list[str]) -> list[int]:
    return [int(line) for line in lines if line != "ready"]


def assert_gapless(harness, name: str, *, beyond: int, eventually) -> None:
    eventually(lambda: numbers(harness.lines(name, "--tail", "1"))[-1] > beyond, within=30, what=f"{name} counts on")
    counted = numbers(harness.lines(name))
    assert counted == list(range(len(counted))), f"{name} has a gap"


def test_to_another_environment_and_back_thirty_services_do_not_notice(thirty, two, eventually):
    old, new = two
    before, daemon, keeper = pids(thirty), thirty.daemon_pid, thirty.keeper_pid
    first = thirty.ok("daemon", "status", "--json").json
    assert (first["version"], first["prefix"]) == ("1.0", str(old.folder))
    reached = {}

    for version, there in [("2.0", new), ("1.0", old)]:
        belongs_to(thirty, there)
        told = thirty.ok("daemon", "upgrade", "--from-here", "--json", timeout=90).json
        reached = {name: numbers(thirty.lines(name, "--tail", "1"))[-1] for name in ("store-1", "web-1", "edge-3")}
        assert told["upgraded"]
        assert (told["to"]["version"], told["to"]["prefix"]) == (version, str(there.folder))
        assert told["running"] == 28
        assert told["keeper"] == {"pid": keeper, "replaced": True, "note": None}
        status = thirty.ok("daemon", "status", "--json").json
        assert (status["version"], status["prefix"], status["pid"]) == (version, str(there.folder), daemon)
        assert status["address"] == first["address"]
        assert status["epoch"] != first["epoch"]
        assert status["keeper"]["pid"] == keeper
        assert (status["keeper"]["code"] == first["keeper"]["code"]) == (there is old)

    assert pids(thirty) == before
    assert all(service["restarts"] == 0 for service in thirty.status().values())
    for name, number in reached.items():
        assert_gapless(thirty, name, beyond=number + 5, eventually=eventually)
    os.kill(before["report"], signal.SIGUSR1)
    thirty.reaches("report", "failed", within=30)
    assert thirty.service("report")["exit"]["code"] == 7


def test_whoever_follows_or_waits_goes_on_by_itself(harness, two, eventually):
    _, new = two
    harness.write(
        'version: "1.0"\nname: followed\nservices:\n'
        '  counter: {type: process, command: [sh, -c, "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done"]}\n'
        '  slow: {type: process, command: [sh, -c, "while [ ! -e go ]; do sleep 0.05; done"], oneshot: true}\n'
    )
    harness.ok("up", "-d", "counter")
    outputs = {name: harness.project / name for name in ("logs", "events", "up")}
    commands = {"logs": ("logs", "-f", "counter"), "events": ("events", "-f", "--json"), "up": ("up",)}
    running = {}
    for name, command in commands.items():
        with outputs[name].open("wb") as out:
            running[name] = harness.start(*command, stdout=out)
    waiting = harness.start("start", "slow")
    eventually(lambda: len(outputs["logs"].read_text().splitlines()) > 5, within=30)
    eventually(lambda: outputs["up"].read_text(), within=30)
    eventually(lambda: harness.service("slow")["pid"], within=30)
    pid = harness.service("counter")["pid"]

    belongs_to(harness, new)
    harness.ok("daemon", "upgrade", "--from-here", timeout=90)

    seen = {name: len(path.read_text().splitlines()) for name, path in outputs.items()}
    harness.write("", "go")
    said = waiting.communicate(timeout=60)[1].decode()
    assert waiting.returncode == 0, said
    for name in ("logs", "up"):
        eventually(lambda name=name: len(outputs[name].read_text().splitlines()) > seen[name] + 20, within=30, what=name)
    eventually(lambda: '"completed"' in outputs["events"].read_text(), within=30)
    for name, process in running.items():
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130, name
    counted = [int(line) for line in outputs["logs"].read_text().splitlines()]
    assert counted == list(range(len(counted)))
    shown = [int(line.split()[-1]) for line in outputs["up"].read_text().splitlines() if line.startswith("counter")]
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    kinds = [line for line in outputs["events"].read_text().splitlines() if '"counter"' in line]
    assert len(kinds) == len(set(kinds))
    assert harness.service("counter")["pid"] == pid


def test_what_is_installed_anew_in_the_same_environment_is_taken(harness, environment, eventually):
    there = environment("1.0")
    belongs_to(harness, there)
    harness.write('version: "1.0"\nname: same\nservices:\n  one: {type: process, command: [sleep, "1000"]}\n')
    harness.ok("up", "-d")
    pid, keeper = harness.service("one")["pid"], harness.keeper_pid
    there.change("harness_core/__init__.py", '"1.0"', '"1.1"')
    there.append(KEEPER, "\n# another release\n")

    warned = harness.ok("status").err
    said = harness.ok("daemon", "upgrade").err

    assert "the daemon is harness 1.0, this is harness 1.1; to make them one: harness daemon upgrade\n" in warned
    assert f"daemon upgraded: 1.0 ({there.folder}) → 1.1 ({there.folder})" in said
    assert "keeper: replaced; 1 service untouched" in said
    assert "this is harness" not in said
    assert harness.ok("status").err == ""
    assert harness.service("one")["pid"] == pid
    assert harness.keeper_pid == keeper


FAULTS = [
    ("harness_core/daemon/app.py", "\nthis is no Python\n", "invalid syntax"),
    ("harness_core/keeper/server/loop.py", "\nimport no_such_module\n", "no_such_module"),
    ("harness_core/keeper/server/code.py", "\nSTATES = (7,)\n", "it reads state of version 7"),
    ("harness_core/daemon/handover.py", "\nHANDOVERS = (7,)\n", "can't take over from a running harness 1.0"),
    ("harness_plugin_sqlite/schema.py", "\nMIGRATIONS = ()\n", "which knows up to schema 0"),
    ("harness_plugin_sqlite/plugin.py", "\nimport no_such_module\n", "no registry backend 'sqlite'"),
    ("harness_plugin_health/plugin.py", "\nraise SystemExit('oh')\n", "check 'command' of .*broken there: .*by careful/one"),
]


def test_what_can_not_take_over_is_refused_and_nothing_changes(harness, two):
    _, new = two
    harness.write(
        'version: "1.0"\nname: careful\nservices:\n'
        '  one: {type: process, command: [sleep, "1000"], health_check: {command: "true"}}\n'
    )
    harness.ok("up", "-d")
    before, pid = harness.ok("daemon", "status", "--json").json, harness.service("one")["pid"]

    for file, text, cause in FAULTS:
        whole = new.append(file, text)
        refused = refusal(harness, str(new.bin / "python"), str(new.site), what=file)
        assert refused.kind == "upgrade.refused"
        assert re.search(cause, refused.message)
        new.write(file, whole)
    assert "can't be run" in refusal(harness, "/nowhere/python", str(new.site), what="no interpreter").message

    after = harness.ok("daemon", "status", "--json").json
    assert (after["epoch"], after["pid"], after["keeper"]["code"]) == (before["epoch"], before["pid"], before["keeper"]["code"])
    assert harness.service("one")["pid"] == pid


def refusal(harness, python: str, folder: str, *, what: str) -> RemoteError:
    """What the daemon answers to a request for that installation; the command of a broken one could not even ask."""
    with connect(harness.state_dir, start=False, on_warning=lambda _: None) as client:
        try:
            client.call(UpgradeDaemon(python=python, folder=folder), timeout=90)
        except RemoteError as error:
            return error
    raise AssertionError(f"harness in {folder} was not refused: {what}")


def test_a_plugin_that_is_missing_there_is_named_with_who_needs_it(harness, two):
    _, new = two
    harness.write(
        'version: "1.0"\nname: needy\nservices:\n'
        '  one: {type: process, command: [sleep, "1000"], health_check: {command: "true"}}\n'
        '  two: {type: process, command: [sleep, "1000"]}\n'
    )
    harness.ok("up", "-d")
    epoch = harness.ok("daemon", "status", "--json").json["epoch"]
    for path in new.site.glob("harness_plugin_health*"):
        path.rename(path.with_name(f"x_{path.name}.away"))
    belongs_to(harness, new)

    refused = harness.run("daemon", "upgrade", "--from-here", "--json")

    assert refused.code == 1
    error = refused.json["error"]
    assert error["kind"] == "upgrade.refused"
    assert f"{new.folder} lacks what services need: health check 'command' of harness-plugin-health" in error["message"]
    assert "needed by needy/one" in error["message"]
    assert error["hint"] == f"{new.bin / 'python'} -m pip install harness-plugin-health"
    assert harness.ok("daemon", "status", "--json").json["epoch"] == epoch

    for path in new.site.glob("x_*.away"):
        path.rename(path.with_name(path.name.removeprefix("x_").removesuffix(".away")))
    harness.ok("daemon", "upgrade", "--from-here", timeout=90)


def test_a_plugin_that_is_installed_here_and_not_there_is_named_with_the_way_out(harness, two):
    old, new = two
    for path in old.site.glob("harness_plugin_health*"):
        shutil.rmtree(path)
    harness.write(
        'version: "1.0"\nname: hopeful\nservices:\n'
        '  one: {type: process, command: [sleep, "1000"], health_check: {command: "true"}}\n'
    )
    harness.ok("daemon", "start")
    belongs_to(harness, new)

    said = harness.ok("plan").err

    way_out = f"without harness-plugin-health of {new.folder}: harness daemon upgrade --from-here"
    assert f"the daemon runs in {old.folder}, {way_out}" in said

    harness.ok("daemon", "upgrade", "--from-here", timeout=90)
    planned = harness.ok("plan")
    assert "warning" not in planned.err


def test_a_new_daemon_that_dies_at_its_start_is_followed_by_the_old_one(harness, two):
    old, new = two
    harness.write('version: "1.0"\nname: brave\nservices:\n  one: {type: process, command: [sleep, "1000"]}\n')
    harness.ok("up", "-d")
    pid = harness.service("one")["pid"]
    # Good enough for the check, and for nothing else.
    new.append("harness_core/daemon/app.py", "\nasync def serve(*_, **__): raise HarnessError('born to fail')\n")
    belongs_to(harness, new)

    failed = harness.run("daemon", "upgrade", "--from-here")

    assert failed.code == 1
    assert "the new daemon ended at once: " in failed.err
    assert "born to fail" in failed.err
    assert f"the daemon of {old.site} runs again" in failed.err
    belongs_to(harness, old)
    assert harness.ok("daemon", "status", "--json").json["version"] == "1.0"
    assert harness.service("one")["pid"] == pid


def test_a_daemon_of_another_protocol_is_replaced_too(harness, two):
    _, new = two
    harness.write('version: "1.0"\nname: far\nservices:\n  one: {type: process, command: [sleep, "1000"]}\n')
    harness.ok("up", "-d")
    pid, keeper = harness.service("one")["pid"], harness.keeper_pid
    new.change("harness_core/protocol.py", "PROTOCOL_VERSION = 1", "PROTOCOL_VERSION = 2")
    belongs_to(harness, new)

    refused = harness.run("status")
    assert refused.code == 4
    assert "the daemon is harness 1.0 (protocol 1), this is harness 2.0 (protocol 2)" in refused.err
    assert "harness daemon upgrade --from-here" in refused.err

    harness.ok("daemon", "upgrade", "--from-here", timeout=90)

    status = harness.ok("daemon", "status", "--json").json
    assert (status["version"], status["protocol"], status["keeper"]["pid"]) == ("2.0", 2, keeper)
    assert harness.service("one")["pid"] == pid


def test_with_no_daemon_one_is_started_and_the_keeper_is_upgraded(harness, two):
    _, new = two
    harness.write('version: "1.0"\nname: alone\nservices:\n  one: {type: process, command: [sleep, "1000"]}\n')
    harness.ok("up", "-d")
    pid, keeper = harness.service("one")["pid"], harness.keeper_pid
    harness.ok("daemon", "stop")
    belongs_to(harness, new)

    told = harness.ok("daemon", "upgrade", "--json").json

    assert told["keeper"] == {"pid": keeper, "replaced": True, "note": None}
    assert told["to"]["version"] == "2.0"
    assert harness.service("one")["pid"] == pid


def test_a_daemon_in_the_foreground_stays_where_it_is(harness, two, eventually):
    _, new = two
    harness.write('version: "1.0"\nname: front\nservices:\n  one: {type: process, command: [sleep, "1000"]}\n')
    front = harness.start("daemon", "start", "--foreground")
    eventually(lambda: harness.run("daemon", "status").code == 0, within=30)
    harness.ok("up", "-d")
    belongs_to(harness, new)

    harness.ok("daemon", "upgrade", "--from-here")

    assert harness.daemon_pid == front.pid
    assert front.poll() is None
    harness.ok("down")
    front.send_signal(signal.SIGTERM)
    said = front.communicate(timeout=30)[1].decode()
    assert front.returncode == 0
    assert "harness 1.0 answers" in said
    assert "harness 2.0 answers" in said


def test_requests_that_come_while_it_changes_are_answered(harness, two):
    _, new = two
    harness.write('version: "1.0"\nname: busy\nservices:\n  one: {type: process, command: [sleep, "1000"]}\n')
    harness.ok("up", "-d")
    upgrading = harness.start("daemon", "upgrade", "--from-here") if belongs_to(harness, new) is None else None

    answers = []
    until = time.monotonic() + 60
    while upgrading.poll() is None and time.monotonic() < until:
        answers.append(harness.run("status", "--json"))
    answers.append(harness.run("status", "--json"))

    assert upgrading.wait(60) == 0, upgrading.communicate()
    upgrading.communicate()
    # Whoever was connected at the moment of the change is told so; whoever came then has waited.
    bad = [answer for answer in answers if answer.code != 0 and "being upgraded" not in answer.err]
    assert not bad, bad[0].err
    assert answers[-1].code == 0
