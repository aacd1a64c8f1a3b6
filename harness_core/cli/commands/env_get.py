"""`harness env get`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from harness_core.cli import options
from harness_core.cli.failures import NoValue
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.render_env import environment_sheet, told
from harness_core.cli.session import Session, pass_session
from harness_core.cli.text import visible
from harness_core.protocol import GetEnvironment


@pass_session
def get(session: Session, names: tuple[str, ...], services: tuple[str, ...]) -> None:
    """Show the environment of services."""
    request = GetEnvironment(project=session.project(), services=options.names(services), names=options.names(names))
    answer = session.call(request)
    output = session.output
    if session.settings.json:
        output.json(answer)
    elif len(answer["services"]) == len(names) == 1:
        output.write(_value(answer["services"][0]) + "\n")
    elif session.settings.quiet:
        known = dict.fromkeys(variable["name"] for service in answer["services"] for variable in service["variables"])
        output.write("".join(f"{name}\n" for name in known))
    elif output.terminal:
        output.sheet(environment_sheet(answer))
    else:
        _write(session, answer)


def _value(service: Mapping[str, Any]) -> str:
    """The one value that was asked for, as it is."""
    variable = service["variables"][0]
    if variable["value"] is None:
        hint = "harness registry list shows what runs"
        raise NoValue(f"{variable['name']} of '{service['service']}' has no value now: {variable['problem']}", hint=hint)
    value: str = variable["value"]
    return value


def _write(session: Session, answer: Mapping[str, Any]) -> None:
    """`NAME=value`, a line each; of several services with their names before, as logs have them."""
    several = len(answer["services"]) > 1
    for service in answer["services"]:
        head = f"{service['service']} | " if several else ""
        for variable in service["variables"]:
            if variable["value"] is None:
                session.output.warn(f"{head}{variable['name']}: {told(variable)}")
            else:
                session.output.write(f"{head}{variable['name']}={visible(variable['value'])}\n")


command = HarnessCommand(
    "get",
    callback=get,
    params=[
        click.Argument(["names"], metavar="[NAME]...", nargs=-1),
        click.Option(
            ["-s", "--service", "services"],
            multiple=True,
            type=options.ServiceName(),
            metavar="SERVICE",
            help="Of this service; may be given several times. Default: all.",
        ),
    ],
    help="Show the environment of services as they see it, secrets masked.\n\n"
    "What a running service was started with; of others, what they would be started with now. References have the values that "
    "this service sees. One NAME of one service: its value alone. With -q: names alone.",
    examples=(
        "harness env get",
        "harness env get DATABASE_URL -s api",
        "harness env get -s api -s worker --json",
    ),
)
