"""Which processes a name means: one thing, or an error that names all of them."""

from __future__ import annotations

import os

import pytest

from harness_core.contracts import Ambiguous, NotFound
from harness_plugin_process.matching import only_match, running
from harness_plugin_process.proc import Identity, Process


def process(pid: int, name: str, *argv: str, parent: int = 1, memory: int = 4096) -> Process:
    return Process(Identity(pid, pid * 10, "boot"), parent, name, argv, memory, 0.0)


TABLE = [
    process(1, "init", "/sbin/init", parent=0),
    process(2, "kthreadd", parent=0, memory=0),
    process(3, "nginx", parent=2, memory=0),  # a kernel thread by that name
    process(10, "nginx", "nginx: master process /usr/sbin/nginx"),
    process(11, "nginx", "nginx: worker process", parent=10),
    process(12, "nginx", "nginx: worker process", parent=11),
    process(20, "python3", "python3", "/opt/mail.py", "--queue=a"),
    process(21, "python3", "python3", "/opt/mail.py", "--queue=b"),
    process(30, "a-name-of-fifte", "/opt/a-name-of-fifteen-and-more", "-v"),
    process(40, "we [ird) name", "we [ird) name"),
]


@pytest.mark.parametrize(
    ("config", "pid"),
    [
        ({"process_name": "nginx"}, 10),
        ({"process_name": "ngin?"}, 10),
        ({"process_name": "a-name-of-fifteen-and-more"}, 30),
        ({"cmdline": "python3 /opt/mail.py --queue=b"}, 21),
        ({"cmdline": "*queue=a"}, 20),
        ({"process_name": "python3", "cmdline": "*--queue=a"}, 20),
        ({"process_name": "we [[]ird) name"}, 40),
    ],
)
def test_one_match(config, pid):
    assert only_match(config, TABLE).pid == pid


@pytest.mark.parametrize("config", [{"process_name": "ngin"}, {"cmdline": "queue"}, {"process_name": "nginx", "cmdline": "p*"}])
def test_no_match_says_what_was_looked_for(config):
    with pytest.raises(NotFound) as caught:
        only_match(config, TABLE)

    for key, value in config.items():
        assert f"{key} {value!r}" in caught.value.message


def test_several_matches_are_named_with_pid_and_command_line():
    with pytest.raises(Ambiguous) as caught:
        only_match({"process_name": "python3"}, TABLE)

    assert caught.value.message == (
        "2 processes have process_name 'python3': "
        "pid 20 (python3 /opt/mail.py --queue=a), pid 21 (python3 /opt/mail.py --queue=b)"
    )


def test_many_matches_are_not_all_named():
    with pytest.raises(Ambiguous, match=r"pid 109 \(x\) and 5 more"):
        only_match({"process_name": "x"}, [process(100 + n, "x", "x") for n in range(15)])


@pytest.mark.parametrize("text", ["", "no number", "-1", "0", "٣"])
def test_a_pidfile_that_holds_no_pid(tmp_path, text):
    path = tmp_path / "pid"
    path.write_text(text)

    with pytest.raises(NotFound, match="holds no process id"):
        running({"pidfile": str(path)})


def test_of_several_keys_all_must_match(tmp_path):
    pidfile = tmp_path / "pid"
    pidfile.write_text("1\n")
    own = {"pid": os.getpid(), "cmdline": "*python*"}

    assert running(own).pid == os.getpid()
    with pytest.raises(NotFound, match=rf"^pid {os.getpid()} \(.* has not process_name 'nginx' and cmdline"):
        running({**own, "process_name": "nginx"})
    with pytest.raises(NotFound, match=f"^pid {os.getpid()} is not pid 1 of {pidfile}$"):
        running({**own, "pidfile": str(pidfile)})


def test_a_pid_that_nobody_has():
    with pytest.raises(NotFound, match=r"^no process with pid 4194305 runs$"):
        running({"pid": 4194305})  # above the kernel's limit


def test_a_pidfile_that_is_missing_or_unreadable(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        running({"pidfile": str(tmp_path / "missing")})
    with pytest.raises(NotFound, match="can't be read"):
        running({"pidfile": str(tmp_path)})
