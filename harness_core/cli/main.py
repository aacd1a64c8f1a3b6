"""`harness`: reads the command line, runs one command, and renders whatever went wrong."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import click

from harness_core.cli.failures import Finish, UsageFault, exit_code_of
from harness_core.cli.lazy import LazyGroup, UnknownName
from harness_core.cli.output import Output
from harness_core.cli.render_error import error_json, error_lines
from harness_core.cli.settings import Settings, parsed_settings
from harness_core.contracts.errors import HarnessError

COMMANDS = {
    "up": "Apply the configuration, start everything and stay until Ctrl-C.",
    "down": "Stop all services of the project, dependents first.",
    "start": "Start services and what they depend on.",
    "stop": "Stop services.",
    "restart": "Stop services and start them again.",
    "status": "Show what runs, how well, and where it is reached.",
    "logs": "Show the output of services, merged in time order.",
    "events": "Show what happened to services, oldest first.",
    "exec": "Run a command inside a running service.",
    "attach": "See what a service writes, byte by byte, and type into it.",
    "signal": "Send a signal to the main process of a service.",
    "why": "Explain in words why a service is in its state.",
    "health": "Run the health checks now and show what they say.",
    "env": "Look at the environment of services.",
    "registry": "Find out what runs where, and how it is reached from where.",
    "validate": "Check the configuration here, without a daemon.",
    "plan": "Show what apply would do, and why, without doing it.",
    "apply": "Make the configuration real: start, restart and remove what it takes.",
    "config": "Show the configuration as it was understood, secrets masked.",
    "graph": "Show who needs whom, and in which order services start.",
    "schema": "Print the JSON Schema of services.yaml, for editors.",
    "daemon": "Start, stop and look at the daemon.",
    "plugins": "List what is installed, what is broken, and why.",
    "doctor": "Look at this machine, and at harness on it, for what would bite.",
    "api": "Describe the daemon's API, for programs that talk to it.",
    "completion": "Print the completion script for a shell.",
    "version": "Show the version.",
}
ALIASES = {"ps": "status"}
_NOBODY_READS = 128 + signal.SIGPIPE


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from harness_core import __version__

        click.echo(f"harness {__version__}")
        context.exit()


cli = LazyGroup(
    "harness",
    help="One services.yaml, one graph of services: started in order, watched, restarted, stopped without a trace.",
    table=COMMANDS,
    prefix="",
    aliases=ALIASES,
    no_args_is_help=False,
    params=[
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
        )
    ],
    examples=("harness up", "harness status --json", "harness logs -f api", "harness why api"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if shell := os.environ.get("_HARNESS_COMPLETE"):
        from harness_core.cli.completing import answer

        sys.stdout.write(answer(cli, arguments, shell=shell))
        return _flushed(0)
    output = Output(_settings_for_errors(arguments))
    try:
        code = _run(arguments or ["--help"], output)
        output.detail(f"exit {code}")
    except BrokenPipeError:
        code = _NOBODY_READS
    return _flushed(code)


def _flushed(code: int) -> int:
    """The exit code, after everything was written, or is known to be read by nobody (as after `head`)."""
    try:
        sys.stdout.flush()
    except OSError:
        # Python would try once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or _NOBODY_READS
    return code


def _run(arguments: list[str], output: Output) -> int:
    try:
        with cli.make_context("harness", arguments) as context:
            try:
                return int(cli.invoke(context) or 0)
            finally:
                # What stands behind `exec SERVICE` are words of another command: now it is known which were ours.
                output.settings = parsed_settings(context) or output.settings
    except click.exceptions.Exit as e:
        return e.exit_code
    except Finish as e:
        return e.code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        raise
    except click.ClickException as e:
        error: HarnessError = _usage_fault(e)
    except HarnessError as e:
        error = e
    except Exception as e:
        error = _internal(e)
    return _fail(error, output)


def _fail(error: HarnessError, output: Output) -> int:
    """Say what went wrong; the exit code that it stands for."""
    if problems := getattr(error, "data", {}).get("problems"):  # of a configuration, and told by the daemon
        from harness_core.cli.elsewhere import remedy

        error.hint = error.hint or remedy(problems)
    if output.settings.json:
        output.json(error_json(error))
    else:
        output.error(error_lines(error))
    if output.settings.verbose:
        from harness_core import paths

        output.detail(f"the daemon's own log: harness daemon logs, or {paths.state_dir()}")
    return exit_code_of(error.kind)


def _usage_fault(error: click.ClickException) -> HarnessError:
    hint = getattr(error, "hint", None) if isinstance(error, UnknownName) else None
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        message = f"no option '{error.option_name}'"
        if error.possibilities:
            hint = "did you mean " + " or ".join(sorted(error.possibilities)) + "?"
    if hint is None and context is not None:
        hint = f"{context.command_path} --help"
    return UsageFault(message[:1].lower() + message[1:].rstrip("."), hint=hint)


def _internal(error: Exception) -> HarnessError:
    """A bug of ours: short here, in full in a file."""
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix="harness-error-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write("".join(traceback.format_exception(error)))
    failure = HarnessError(
        f"a bug in harness: {type(error).__name__}: {error}", hint=f"the details are in {path}; please report them"
    )
    failure.kind = "internal"
    return failure


def _settings_for_errors(arguments: Sequence[str]) -> Settings:
    """What matters for rendering an error of a command line that may not be understood at all."""
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return Settings(
        json="--json" in words,
        verbose=bool({"-v", "--verbose"} & set(words)),
        no_color="--no-color" in words,
    )
