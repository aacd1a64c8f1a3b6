"""`harness up`."""

from __future__ import annotations

import difflib

import click

from harness_core.cli import options
from harness_core.cli.failures import UsageFault
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.reporting import carry_out, say_warnings
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import ApplyConfig, PlanConfig


@pass_session
def up(
    session: Session,
    services: tuple[str, ...],
    profiles: tuple[str, ...],
    detach: bool,
    wait: bool | None,
    timeout: float | None,
    exit_code_from: str | None,
) -> int:
    """Apply the configuration and start everything."""
    bundle, names = session.bundle(profiles=profiles), options.names(services)
    if detach or wait is not None:
        if exit_code_from:
            raise UsageFault("--exit-code-from needs up in the foreground", hint="leave out -d, --wait and --no-wait")
        request = ApplyConfig(bundle=bundle, services=names, start=True, wait=wait is not False, timeout=timeout)
        return carry_out(session, request)
    return _stay(session, bundle, names, timeout=timeout, exit_code_from=exit_code_from)


def _stay(
    session: Session,
    bundle: dict[str, object],
    names: tuple[str, ...] | None,
    *,
    timeout: float | None,
    exit_code_from: str | None,
) -> int:
    from harness_core.cli.foreground import Foreground
    from harness_core.cli.foreground_wish import Wish

    plan = session.call(PlanConfig(bundle=bundle, services=names))
    if not session.settings.json:
        say_warnings(session, plan)
    actions = {step["service"]: step["action"] for step in plan["steps"] if step["action"] not in ("stop", "remove")}
    started = tuple(name for name, action in actions.items() if action == "start")
    shown = {name for name, action in actions.items() if names is None or name in names or action != "keep"} - set(plan["off"])
    if exit_code_from is not None and exit_code_from not in shown:
        close = difflib.get_close_matches(exit_code_from, shown, n=1)
        raise UsageFault(
            f"--exit-code-from: no service '{exit_code_from}' here", hint=f"did you mean '{close[0]}'?" if close else None
        )
    wish = Wish(
        project=plan["project"],
        bundle=bundle,
        services=names,
        shown=sorted(shown),
        started=started,
        timeout=timeout,
        exit_code_from=exit_code_from,
    )
    return Foreground(session, wish).run()


command = HarnessCommand(
    "up",
    callback=up,
    params=[
        options.services(),
        options.profiles(),
        click.Option(["-d", "--detach"], is_flag=True, help="Leave the services to the daemon once they are up."),
        click.Option(
            ["--wait/--no-wait"],
            default=None,
            help="Like -d; --wait, which -d does anyway, ends when all are up or can't be, --no-wait at once.",
        ),
        click.Option(
            ["--timeout"],
            type=options.Duration(),
            metavar="DURATION",
            help="How long the start may take (exit 5). In the foreground, what was started is stopped then.",
        ),
        click.Option(
            ["--exit-code-from"],
            type=options.ServiceName(),
            metavar="SERVICE",
            help="When this service ends, stop the others and exit with its code.",
        ),
    ],
    help="Apply the configuration, start everything and stay: status and merged logs, until Ctrl-C.\n\n"
    "The first Ctrl-C stops what this up started, dependents first; the second kills it. What ran before stays. "
    "Ends by itself when nothing runs any more: 0 if nothing failed, else 1. With names: these and what they depend on.\n\n"
    "In a terminal, keys detach (q), stop (s), restart (r) and filter the logs (/); ? tells them.",
    examples=(
        "harness up",
        "harness up -d --timeout 2m && harness status",
        "harness up --wait || harness logs --tail 50",
        "harness up --exit-code-from tests",
        "harness -f services.yaml -f local.yaml up --profile debug",
    ),
)
