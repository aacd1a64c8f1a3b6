"""Who a process runs as is known, and allowed, before anything starts."""

from __future__ import annotations

import os
import pwd

import pytest

from harness_core.contracts import LaunchFailed
from harness_plugin_process.account import account_of, check_may_become, environment_as

NOBODY = pwd.getpwnam("nobody")


@pytest.mark.parametrize("user", ["nobody", NOBODY.pw_uid, str(NOBODY.pw_uid)])
def test_an_account_by_name_and_by_number(user):
    assert account_of(user) == NOBODY


def test_an_unknown_user_comes_with_the_nearest_name():
    with pytest.raises(LaunchFailed, match="no user 'noboddy'") as caught:
        account_of("noboddy")

    assert caught.value.hint == "did you mean 'nobody'?"
    assert not caught.value.transient


def test_only_root_may_become_somebody_else(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.raises(LaunchFailed, match="can't run as 'nobody': the daemon runs as '12345'") as caught:
        check_may_become(NOBODY)

    assert "{type: sudo, user: nobody}" in (caught.value.hint or "")


def test_anybody_may_stay_who_they_are(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)

    check_may_become(NOBODY)


def test_the_environment_says_who_the_account_is_unless_it_said_something_of_its_own():
    ours = pwd.getpwuid(os.geteuid())
    env = {"HOME": ours.pw_dir, "USER": ours.pw_name, "LOGNAME": "written", "PATH": "/bin"}

    assert environment_as(NOBODY, env) == {"HOME": NOBODY.pw_dir, "USER": "nobody", "LOGNAME": "written", "PATH": "/bin"}
