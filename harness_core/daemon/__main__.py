"""`python -m harness_core.daemon`: a daemon, in the background unless --foreground."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness_core import paths
from harness_core.contracts.errors import HarnessError

if TYPE_CHECKING:
    from harness_core.daemon.handover import Inherited


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 ended as told, 1 could not be the daemon, 2 usage, 3 configuration."""
    options = _parser().parse_args(arguments)
    if options.check:
        return _check()
    # What was handed over belongs to this very process: it was in the background before.
    if not options.foreground and options.inherit is None and os.fork():
        os._exit(0)  # whoever started us need not wait for our end
    tell = _Word(options.ready_fd)
    try:
        _serve(options, tell.ready)
    except HarnessError as e:
        tell.failed(e)
        problems = getattr(e, "problems", ())
        said = [str(problem) for problem in problems] or [e.message]
        sys.stderr.write("".join(f"error[{e.kind}]: {line}\n" for line in said) + (f"  hint: {e.hint}\n" if e.hint else ""))
        return 3 if e.kind.startswith("config.") else 1
    return 0


def _serve(options: argparse.Namespace, ready: Callable[[], None]) -> None:
    # After the fork: a process with threads must not fork, and these imports are most of the start.
    from harness_core.daemon import certificates, settings

    directory = paths.state_dir()
    chosen = settings.read(paths.daemon_config())
    if options.listen:
        chosen = replace(chosen, listen=options.listen)
    paths.ensure_state_dir(directory)
    making = certificates.begin(directory, chosen.listen[0])
    import asyncio

    from harness_core.daemon import app

    certificates.await_child(making)
    idle = None
    if options.on_demand:
        idle = options.idle_seconds if options.idle_seconds is not None else chosen.idle_timeout
    os.chdir("/")
    wiring = app.Options(
        state_dir=directory, settings=chosen, idle_timeout=idle, terminal=options.foreground, inherited=options.inherit
    )
    # Most of what a daemon holds is made at its start and stays: looked through less often, a burst of starts costs a tenth less.
    gc.set_threshold(10_000, 20, 20)
    handover = asyncio.run(app.serve(wiring, ready=ready))
    if handover is not None:
        handover.carry_out(_as_written(options))


def _as_written(options: argparse.Namespace) -> list[str]:
    """The arguments that the daemon was started with and that hold for its successor."""
    arguments = [flag for flag, on in (("--foreground", options.foreground), ("--on-demand", options.on_demand)) if on]
    if options.listen:
        host, port = options.listen
        arguments += ["--listen", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    return arguments


def _check() -> int:
    from harness_core.daemon.check import answer

    found = answer(paths.state_dir())
    sys.stdout.write(json.dumps(found) + "\n")
    return 1 if "error" in found else 0


class _Word:
    """What the one who started us is told on the pipe, once: ready, or why not."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)

    def ready(self) -> None:
        self._say({"ready": True})

    def failed(self, error: HarnessError) -> None:
        problems = [str(problem) for problem in getattr(error, "problems", ())]
        message = "; ".join([error.message, *problems])
        self._say({"error": {"kind": error.kind, "message": message, "hint": error.hint}})

    def _say(self, word: dict[str, object]) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(BrokenPipeError):  # the starter did not wait; the log tells the same
            os.write(self._descriptor, json.dumps(word).encode() + b"\n")
        os.close(self._descriptor)
        self._descriptor = None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness_core.daemon", description="The harness daemon.")
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground and log to the terminal")
    parser.add_argument("--listen", metavar="HOST:PORT", type=_listen, help="default: 127.0.0.1 and a free port")
    parser.add_argument("--on-demand", action="store_true", help="end by itself when there is nothing to do")
    parser.add_argument("--ready-fd", metavar="N", type=int, help="say on this descriptor that it is ready, or why not")
    parser.add_argument("--check", action="store_true", help="say in JSON whether this code can be the daemon; start nothing")
    parser.add_argument("--inherit", metavar="JSON", type=_inherit, help=argparse.SUPPRESS)
    parser.set_defaults(idle_seconds=_idle_seconds(parser))
    return parser


def _listen(text: str) -> tuple[str, int]:
    from harness_core.daemon.settings import parse_listen

    try:
        return parse_listen(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _inherit(text: str) -> Inherited:
    from harness_core.daemon.handover import Inherited

    try:
        return Inherited.from_text(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _idle_seconds(parser: argparse.ArgumentParser) -> float | None:
    text = os.environ.get("HARNESS_IDLE_SECONDS")
    try:
        return float(text) if text else None
    except ValueError:
        parser.error(f"HARNESS_IDLE_SECONDS is no number of seconds: {text!r}")


if __name__ == "__main__":
    sys.exit(main())
