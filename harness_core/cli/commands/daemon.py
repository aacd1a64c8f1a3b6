"""`harness daemon`."""

from __future__ import annotations

from harness_core.cli.lazy import LazyGroup

COMMANDS = {
    "start": "Start the daemon, which otherwise starts by itself when it is needed.",
    "stop": "End the daemon; services run on.",
    "upgrade": "Replace daemon and keeper by the harness that is installed now; services run on.",
    "status": "Show whether the daemon runs, where, and with what.",
    "logs": "Show the daemon's own log.",
}

command = LazyGroup(
    "daemon",
    help="Start, stop and look at the daemon.\n\nOne daemon per user holds all projects; it starts by itself when it is needed.",
    table=COMMANDS,
    prefix="daemon_",
    aliases={},
    no_args_is_help=False,
    examples=("harness daemon status", "harness daemon logs -f"),
)
