"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from harness_core.cli.settings import settings_of


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """Seconds, written `30s`, `1m30s`, `500ms` or as a number."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        from harness_core.config.durations import parse_duration

        try:
            return parse_duration(value)
        except ValueError as e:
            self.fail(str(e), param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A moment as RFC 3339, or how long ago: `10m`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The moment as RFC 3339 with its offset."""
        from datetime import UTC, datetime, timedelta

        from harness_core.config.durations import parse_duration

        try:
            return (datetime.now(UTC) - timedelta(seconds=parse_duration(value))).isoformat()
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(value).astimezone().isoformat()
        except ValueError:
            self.fail(f"'{value}' is neither a moment (2024-05-01T12:00:00+02:00) nor how long ago (10m)", param, ctx)


class ServiceName(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A service's name; the shell completes it from the configuration."""

    name = "service"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The services in the configuration that begin like this and were not named yet."""
        from harness_core.cli.project import service_names

        named = ctx.params.get(param.name or "") or ()
        names = (name for name in service_names(settings_of(ctx)) if name not in named)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class ProfileName(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A profile's name; the shell completes it from the configuration."""

    name = "profile"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; nothing but blanks is none."""
        name = str(value).strip()
        return name or self.fail("a profile has a name", param, ctx)

    def split_envvar_value(self, rv: str) -> list[str]:
        """The names in HARNESS_PROFILES, between commas."""
        return [name for name in rv.split(",") if name.strip()]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The profiles in the configuration that begin like this."""
        from harness_core.cli.project import profile_names

        return [CompletionItem(name) for name in profile_names(settings_of(ctx)) if name.startswith(incomplete)]


def profiles() -> click.Option:
    """`--profile`."""
    return click.Option(
        ["--profile", "profiles"],
        type=ProfileName(),
        metavar="NAME",
        multiple=True,
        envvar="HARNESS_PROFILES",
        help="Also the services with this profile; repeatable, `*` for all; default: HARNESS_PROFILES, separated by commas.",
    )


def services() -> click.Argument:
    """`[SERVICE]...`: none means all."""
    return click.Argument(["services"], metavar="[SERVICE]...", nargs=-1, type=ServiceName())


def service() -> click.Argument:
    """`SERVICE`."""
    return click.Argument(["service"], metavar="SERVICE", type=ServiceName())


def grace() -> click.Option:
    """`--timeout` of a stop."""
    return click.Option(
        ["--timeout"],
        type=Duration(),
        metavar="DURATION",
        help="KILL what has not ended after this long, instead of each service's own `stop.timeout`.",
    )


def timeout() -> click.Option:
    """`--timeout`."""
    return click.Option(
        ["--timeout"],
        type=Duration(),
        metavar="DURATION",
        help="Give up waiting after this long (exit 5); what was asked for goes on.",
    )


def wait() -> click.Option:
    """`--wait/--no-wait`."""
    return click.Option(
        ["--wait/--no-wait"],
        default=True,
        help="Stay until each service has reached its wished state or can't any more; the default.",
    )


def follow() -> click.Option:
    """`-f/--follow`."""
    return click.Option(["-f", "--follow"], is_flag=True, help="Go on as more comes (here -f is not --file).")


def names(given: tuple[str, ...]) -> tuple[str, ...] | None:
    """What requests want: None for all."""
    return given or None
