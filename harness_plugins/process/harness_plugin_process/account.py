"""Who a process runs as."""

from __future__ import annotations

import difflib
import os
import pwd
from collections.abc import Mapping

from harness_core.contracts.errors import LaunchFailed


def account_of(user: str | int) -> pwd.struct_passwd:
    """The account that a config's `user` names; raises LaunchFailed when there is none."""
    try:
        if isinstance(user, int) or user.isdecimal():
            return pwd.getpwuid(int(user))
        return pwd.getpwnam(user)
    except KeyError:
        known = [entry.pw_name for entry in pwd.getpwall()]
        near = difflib.get_close_matches(str(user), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`getent passwd` lists the users"
        raise LaunchFailed(f"this machine has no user {str(user)!r}", hint=hint, transient=False) from None


def check_may_become(account: pwd.struct_passwd) -> None:
    """Raise LaunchFailed unless a process of ours may run as this account."""
    own = os.geteuid()
    if own in (0, account.pw_uid):
        return
    raise LaunchFailed(
        f"can't run as {account.pw_name!r}: the daemon runs as {_name(own)!r}, and only root may become somebody else",
        hint=f"use a layer: `layers: [{{type: sudo, user: {account.pw_name}}}]`, or let root run the daemon",
        transient=False,
    )


def environment_as(account: pwd.struct_passwd, env: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what says who we are saying who the account is; what differs from ours was meant as it is."""
    try:
        ours = pwd.getpwuid(os.geteuid())
    except KeyError:
        return dict(env)
    facts = {
        "HOME": (ours.pw_dir, account.pw_dir),
        "USER": (ours.pw_name, account.pw_name),
        "LOGNAME": (ours.pw_name, account.pw_name),
        "SHELL": (ours.pw_shell, account.pw_shell),
    }
    return {name: facts[name][1] if name in facts and value == facts[name][0] else value for name, value in env.items()}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
