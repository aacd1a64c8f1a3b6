"""`harness doctor`: what facts mean, how they are read, and the command itself."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness_core.cli.checkup import CHECKS, Level, examine
from harness_core.cli.facts import DaemonFacts, Facts, KeeperFacts, PluginFacts, StateFacts, Trouble, plugin_facts, state_facts
from harness_core.cli.machine import REAPING_PATIENCE, CgroupFacts, cgroup_facts, filesystem_of, kills_user_processes, reaping
from harness_core.paths import DaemonInfo, start_time

NOW = 1_900_000_000.0
GIB = 1 << 30
BOUNDS = frozenset({"cpu", "memory", "pids"})
UNREACHABLE = Trouble("daemon.unreachable", "no daemon runs here", "start one")
INFO = DaemonInfo("127.0.0.1:1", "f" * 64, 4711, 1, "boot", "0.1.0", 1, "/venv", "2030-01-01T00:00:00+00:00")
STATUS = {"version": "0.1.0", "pid": 4711, "address": "127.0.0.1:1", "degraded": None, "prefix": "/venv"}

WELL = Facts(
    python=(3, 12, 1),
    prefix="/venv",
    tls="OpenSSL 3.0",
    tls13=True,
    uid=1000,
    state=StateFacts("/home/me/.local/state/harness", True, None, True, 10 * GIB, 1_000_000, "ext4"),
    daemon=DaemonFacts(STATUS, None, INFO, True),
    keeper=KeeperFacts(4712, "cgroup", (), 65536, -500),
    open_files=(1024, 65536),
    pipe_pages=16384,
    cgroups=CgroupFacts("v2", True, BOUNDS, frozenset()),
    inotify_watches=524288,
    inotify_instances=512,
    plugins=PluginFacts(("harness-plugin-process 0.1.0",), frozenset({"executor", "registry_backend"}), (), (), {}),
    init="systemd",
    lingers=True,
    kills_at_logout=True,
    reaping=0.01,
    now=NOW,
    certificate_from=NOW - 86400,
)


def state(**changes: Any) -> dict[str, Any]:
    return {"state": replace(WELL.state, **changes)}


def keeper(**changes: Any) -> dict[str, Any]:
    assert WELL.keeper is not None
    return {"keeper": replace(WELL.keeper, **changes)}


def daemon(status: dict[str, Any] | None = None, trouble: Trouble | None = None, **more: Any) -> dict[str, Any]:
    return {"daemon": DaemonFacts({**STATUS, **status} if status is not None else None, trouble, **more)}


def plugins(**changes: Any) -> dict[str, Any]:
    return {"plugins": replace(WELL.plugins, **changes)}


def test_where_all_is_well_nothing_is_said_to_be_wrong():
    found = examine(WELL)

    assert list(found) == list(CHECKS)
    assert {name: finding for name, finding in found.items() if finding.level is not Level.OK or finding.fix} == {}


@pytest.mark.parametrize(
    ("check", "changes", "level", "words", "fix"),
    [
        ("tls", {"tls13": False}, "error", "no TLS 1.3", "OpenSSL 1.1.1"),
        ("plugins", plugins(kinds=frozenset()), "error", "no executor and no registry backend", "pip install"),
        ("plugins", plugins(broken=(("x 1", "ImportError: y"),)), "warning", "x 1: ImportError: y", "harness plugins"),
        ("plugins", plugins(warnings=(("x", "implements no hook"),)), "note", "x implements no hook", "harness plugins"),
        ("doubled plugins", plugins(doubled={"x": ("/a (1)", "/b (2)")}), "warning", "in /a (1) and in /b (2)", "uninstall"),
        (
            "state directory",
            state(trouble=Trouble("state.insecure", "open to others", "chmod 700")),
            "error",
            "open",
            "chmod 700",
        ),
        ("state directory", state(writable=False), "error", "can't be written by this user", "HARNESS_STATE_DIR"),
        ("state directory", state(exists=False, writable=False), "error", "can't be made by this user", "HARNESS_STATE_DIR"),
        ("state directory", state(exists=False), "ok", "made when it is needed", None),
        ("disk space", state(free=1 << 20), "error", "1.0 MiB free", "free some space"),
        ("disk space", state(free=100 << 20), "warning", "100.0 MiB free", "free some space"),
        ("disk space", state(inodes=40), "error", "room for 40 more files only", "free some space"),
        ("disk space", state(inodes=None), "ok", "10.0 GiB free", None),
        ("disk space", state(free=None), "note", "not looked at", None),
        ("file system", state(filesystem="nfs4"), "warning", "on nfs4: locks may not hold", "a disk of this machine"),
        ("file system", state(filesystem="fuse.sshfs"), "warning", "on fuse.sshfs", "a disk of this machine"),
        ("file system", state(filesystem="tmpfs"), "note", "after a reboot nothing is remembered", "HARNESS_STATE_DIR"),
        ("file system", state(filesystem="overlay"), "note", "goes with it", "volume"),
        ("file system", state(filesystem=None), "note", "not looked at", None),
        ("socket path", state(path="/" + 100 * "x"), "note", "a path of 120 bytes", "shorter"),
        ("socket path", state(path="relative"), "note", "not looked at", None),
        ("clock", {"now": NOW - 2 * 86400}, "error", "the clock is 1d behind", "set the clock"),
        ("clock", {"now": 1.0, "certificate_from": None}, "warning", "before 2024", "set the clock"),
        ("clock", {"certificate_from": None}, "ok", "plausible", None),
        ("daemon", daemon(None, UNREACHABLE, info=None, alive=False), "ok", "none runs; it starts when", None),
        ("daemon", daemon(None, UNREACHABLE, info=INFO, alive=False), "ok", "none runs; it starts when", None),
        ("daemon", daemon(None, UNREACHABLE, info=INFO, alive=True), "error", "(pid 4711) runs and can't be talked", "kill 4711"),
        ("daemon", daemon(None, Trouble("trust.broken", "no ca.pem", "x"), info=None, alive=False), "error", "no ca.pem", "x"),
        ("daemon", daemon(None, None, info=None, alive=False), "note", "not looked at", None),
        ("daemon", daemon({"degraded": "disk full"}, info=INFO, alive=True), "warning", "degraded: disk full", "daemon logs"),
        ("daemon", daemon({"prefix": "/other"}, info=INFO, alive=True), "note", "those of /other", "harness daemon upgrade"),
        ("daemon", daemon({}, info=INFO, alive=True, warnings=("the daemon is harness 9",)), "warning", "is harness 9", None),
        ("keeper", {"keeper": None}, "ok", "none runs", None),
        (
            "keeper",
            keeper(containment="process-groups", notes=("no cgroup v2",)),
            "note",
            "marks, not by cgroups; no cg",
            "Delegate",
        ),
        ("keeper", keeper(notes=("the soft limit stays",)), "note", "the soft limit stays", None),
        ("keeper", keeper(notes=("no protection (oom_score_adj)",)), "ok", "a cgroup of its own", None),
        ("keeper", keeper(containment=None), "ok", "pid 4712; what it may do", None),
        ("memory killer", keeper(oom_score_adj=0), "note", "may kill the keeper", "limits.memory"),
        ("memory killer", {"keeper": None}, "ok", "when a keeper runs", None),
        ("cgroups", {"cgroups": CgroupFacts("none", False, frozenset(), frozenset())}, "note", "none are mounted", None),
        (
            "cgroups",
            {"cgroups": CgroupFacts("v2", False, BOUNDS, frozenset())},
            "note",
            "limits of cpu, memory, pids",
            "Delegate",
        ),
        (
            "cgroups",
            {"cgroups": CgroupFacts("v2", True, BOUNDS - {"cpu"}, frozenset())},
            "note",
            "limits of cpu can't",
            "Delegate",
        ),
        ("cgroups", {"cgroups": CgroupFacts("hybrid", True, frozenset(), BOUNDS)}, "ok", "versions 1 and 2", None),
        ("open files", keeper(open_files=1024), "warning", "enough for about 128 services", "ulimit -Hn"),
        ("open files", {"keeper": None, "open_files": (1024, 1024)}, "warning", "at most 1024", "ulimit -Hn"),
        ("open files", {"keeper": None, "open_files": (1024, -1)}, "ok", "no limit", None),
        ("pipes", {"pipe_pages": 1024}, "note", "of full size for 32 services", "sysctl"),
        ("pipes", {"pipe_pages": 1024, "uid": 0}, "ok", "as many", None),
        ("pipes", {"pipe_pages": 0}, "ok", "as many", None),
        ("inotify", {"inotify_watches": 4096}, "warning", "4096 watches", "sysctl"),
        ("inotify", {"inotify_instances": 8}, "warning", "8 watchers", "sysctl"),
        ("inotify", {"inotify_watches": None}, "note", "does not tell", None),
        ("logout", {"lingers": False}, "warning", "KillUserProcesses=yes", "enable-linger"),
        ("logout", {"lingers": False, "kills_at_logout": None}, "note", "does not linger", "enable-linger"),
        ("logout", {"lingers": False, "init": "tini"}, "ok", "PID 1 is tini, not systemd", None),
        ("logout", {"lingers": False, "uid": 0}, "ok", "live on after logout", None),
        ("reaping", {"reaping": 1.5}, "note", "as zombies for 1.5s", "--init"),
        ("reaping", {"reaping": REAPING_PATIENCE}, "note", "for more than 2.5s", "--init"),
        ("reaping", {"reaping": None}, "note", "does not tell", None),
        (
            "leftovers",
            {**daemon(None, UNREACHABLE, info=None, alive=False), **state(leftovers=("x.lock",))},
            "ok",
            "x.lock: h",
            None,
        ),
    ],
)
def test_a_fact_that_bites_is_found_and_says_what_to_do(check, changes, level, words, fix):
    finding = examine(replace(WELL, **changes))[check]

    assert finding.level == level, finding
    assert words in finding.message
    assert (fix or "") in (finding.fix or "")
    assert bool(finding.fix) == bool(fix)


def test_only_what_a_fact_is_about_is_found():
    found = examine(replace(WELL, **plugins(broken=(("x 1", "y"),))))

    assert [name for name, finding in found.items() if finding.level is not Level.OK] == ["plugins"]


# --- reading facts ----------------------------------------------------------------------------------------------------

MOUNTS = """\
22 21 0:20 / /home rw - nfs4 server:/home rw
23 22 0:21 / /home/me/with\\040space rw - tmpfs tmpfs rw
24 21 0:22 / /hom rw - xfs /dev/sdb rw
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv", "ext4"),
        ("/homeless", "ext4"),
        ("/", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/x", "nfs4"),
        ("/home/me/with space/x", "tmpfs"),
        ("/hom/x", "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_mount(path, kind):
    assert filesystem_of(path, MOUNTS) == kind


V2 = "30 23 0:26 / {} rw - cgroup2 cgroup2 rw\n"
V1 = "31 23 0:27 / {} rw - cgroup cgroup rw,{}\n"


def test_cgroups_of_version_2_tell_the_controllers_of_the_own_group(tmp_path):
    own = tmp_path / "user.slice" / "me"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("cpu memory pids\n")

    found = cgroup_facts(V2.format(tmp_path), "0::/user.slice/me\n")

    assert found == CgroupFacts("v2", True, BOUNDS, frozenset())


def test_cgroups_of_version_1_tell_which_own_groups_can_be_written(tmp_path):
    (tmp_path / "cpu" / "x").mkdir(parents=True)
    mounts = (
        V1.format(tmp_path / "cpu", "cpu,cpuacct")
        + V1.format(tmp_path / "memory", "memory")
        + V1.format(tmp_path, "name=systemd")
    )

    found = cgroup_facts(mounts, "3:cpu,cpuacct:/x\n2:memory:/gone\n1:name=systemd:/\n0::/\n")

    assert found == CgroupFacts("v1", False, frozenset(), frozenset({"cpu", "cpuacct"}))
    assert cgroup_facts(mounts + V2.format(tmp_path / "unified"), "3:cpu,cpuacct:/x\n0::/\n").kind == "hybrid"
    assert cgroup_facts("", "").kind == "none"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], None),
        (["[Login]\n#KillUserProcesses=yes\n"], None),
        (["[Login]\nKillUserProcesses=yes\n"], True),
        (["KillUserProcesses = no\n", "KillUserProcesses=on\n"], True),
        (["KillUserProcesses=yes\n", "KillUserProcesses=no\n"], False),
    ],
)
def test_what_logind_does_at_logout_is_read_from_its_configuration(texts, said):
    assert kills_user_processes(texts) is said


def test_a_plugin_that_lies_twice_on_the_path_is_found(tmp_path, monkeypatch):
    folder = tmp_path / "harness_plugin_process-9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: harness-plugin-process\nVersion: 9.9\n")
    (folder / "entry_points.txt").write_text("[harness.plugins]\nprocess = harness_plugin_process.plugin\n")
    before = plugin_facts().doubled

    monkeypatch.syspath_prepend(str(tmp_path))

    doubled = plugin_facts().doubled
    assert before == {}
    assert list(doubled) == ["harness-plugin-process"]
    assert f"{os.path.realpath(tmp_path)} (9.9)" in doubled["harness-plugin-process"]


def test_a_state_directory_that_is_not_safe_is_told_and_not_touched(tmp_path, monkeypatch):
    open_to_all, a_file = tmp_path / "open", tmp_path / "file"
    open_to_all.mkdir(mode=0o755)
    a_file.write_text("")

    def told(path: object) -> StateFacts:
        monkeypatch.setenv("HARNESS_STATE_DIR", str(path))
        return state_facts()

    assert "is open to other users" in (told(open_to_all).trouble or UNREACHABLE).message
    assert "is not a plain folder" in (told(a_file).trouble or UNREACHABLE).message
    assert told(tmp_path / "new" / "deeper").trouble is None
    assert told("relative").trouble == Trouble(
        "state.bad-path",
        "HARNESS_STATE_DIR is 'relative', which is not an absolute path",
        "export HARNESS_STATE_DIR=/an/absolute/path",
    )
    assert open_to_all.stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "new").exists()


def test_an_orphan_is_watched_for_a_bounded_time():
    seconds = reaping()

    assert seconds is not None
    assert 0 <= seconds < REAPING_PATIENCE + 10


# --- the command ------------------------------------------------------------------------------------------------------


def findings(harness, **environ: str) -> tuple[int, dict[str, dict[str, Any]]]:
    result = harness.run("doctor", "--json", env=environ)
    assert result.err == ""
    return result.code, {row["check"]: row for row in result.json["findings"]}


def test_without_daemon_and_configuration_it_answers_and_leaves_no_trace(harness):
    code, found = findings(harness)

    assert code == 0
    assert list(found) == list(CHECKS)
    assert all(set(row) == {"check", "level", "message", "fix"} for row in found.values())
    assert found["daemon"]["message"].startswith("none runs")
    assert not harness.state_dir.exists()


def test_with_a_running_service_it_tells_of_daemon_and_keeper(harness):
    harness.write("services: { one: { type: process, command: [sleep, '1000'] } }\n")
    harness.ok("up", "-d")
    before = {path: path.stat().st_mtime_ns for path in harness.state_dir.rglob("*.json")}

    code, found = findings(harness)

    assert code == 0
    assert f"pid {harness.daemon_pid}" in found["daemon"]["message"]
    assert f"pid {harness.keeper_pid}" in found["keeper"]["message"]
    assert found["open files"]["message"].startswith("at most ")
    assert before == {path: path.stat().st_mtime_ns for path in harness.state_dir.rglob("*.json")}


def test_what_a_killed_daemon_left_is_harmless_and_its_keeper_is_found(harness, eventually):
    harness.write("services: { one: { type: process, command: [sleep, '1000'] } }\n")
    harness.ok("up", "-d")
    pid, keeper_pid = harness.daemon_pid, harness.keeper_pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: start_time(pid) is None, within=60, what="the daemon is gone")

    code, found = findings(harness)
    harness.ok("daemon", "start")  # which ends it all, after the test

    assert code == 0, found
    assert found["daemon"]["message"].startswith("none runs")
    assert found["leftovers"]["message"].startswith("daemon.json, daemon.lock")
    assert found["keeper"]["message"].startswith(f"pid {keeper_pid}; ")


def test_a_daemon_that_does_not_answer_is_an_error(harness):
    harness.ok("daemon", "start")
    pid = harness.daemon_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        code, found = findings(harness)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert code == 1
    assert found["daemon"]["level"] == "error"
    assert found["daemon"]["fix"].startswith(f"kill {pid}")


def test_a_broken_state_directory_is_an_error_and_nothing_else_breaks(harness):
    harness.state_dir.mkdir(mode=0o755)

    result = harness.run("doctor", "-q")

    assert result.code == 1
    assert result.err == ""
    assert [line.split(":")[0] for line in result.out.splitlines() if line.startswith("error")] == ["error state directory"]
    assert f"(chmod 700 {harness.state_dir})" in result.out


def test_people_see_marks_and_what_to_do(harness):
    harness.state_dir.mkdir(mode=0o755)
    terminal = harness.terminal("doctor")

    assert terminal.wait(within=60) == 1
    assert "✓ python: Python 3" in terminal.plain
    assert "✗ state directory: " in terminal.plain
    assert "fix: chmod 700" in terminal.plain
    assert "1 error" in terminal.plain


def test_every_check_has_a_line_in_the_docs():
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()

    assert [name for name in CHECKS if f"| {name} |" not in text] == []
