"""`harness plugins`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session
from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Line, Span, Style, line, visible

_COLUMNS = (
    Column("plugin"),
    Column("version", keep=2),
    Column("state"),
    Column("offers", keep=1, shrinks=True, narrowest=20),
)


@pass_session
def plugins(session: Session) -> None:
    """List what is installed."""
    from harness_core.plugins import discover

    catalog = discover().to_json()
    output = session.output
    if session.settings.json:
        output.json(catalog)
        return
    if session.settings.quiet:
        output.write("".join(f"{plugin['distribution']}\n" for plugin in catalog["plugins"]))
        return
    output.sheet(Sheet(_COLUMNS, tuple(_rows(catalog))))
    for plugin in catalog["broken"]:
        output.lines([line(Span(f"{plugin['distribution']} is broken: ", Style.BAD), visible(plugin["cause"]))])
    for plugin in catalog["plugins"]:
        for sentence in plugin["warnings"]:
            output.warn(f"{plugin['distribution']}: {sentence}")
    if not any(catalog.values()):
        output.say("no plugin is installed: pip install 'harness-services[all]'")


def _rows(catalog: Mapping[str, Any]) -> Iterable[tuple[Line, ...]]:
    for plugin in catalog["plugins"]:
        yield _row(plugin, Span("ok", Style.GOOD), _offers(plugin["offers"]))
    for plugin in catalog["broken"]:
        yield _row(plugin, Span("broken", Style.BAD), ", ".join(plugin["names"]))
    for plugin in catalog["disabled"]:
        yield _row(plugin, Span("disabled", Style.FAINT), "")


def _row(plugin: Mapping[str, Any], state: Span, offers: str) -> tuple[Line, ...]:
    return line(Span(plugin["distribution"], Style.STRONG)), line(plugin["version"]), line(state), line(offers)


def _offers(offers: Sequence[Mapping[str, Any]]) -> str:
    """`command, http (health checks); local (layer)`."""
    kinds = {offer["kind"]: [o["name"] for o in offers if o["kind"] == offer["kind"]] for offer in offers}
    return "; ".join(
        f"{', '.join(names)} ({kind.replace('_', ' ')}{'s' if len(names) > 1 else ''})" for kind, names in kinds.items()
    )


command = HarnessCommand(
    "plugins",
    callback=plugins,
    help="List what is installed here, what is broken, and why.\n\nWith -q: the names of the plugins that work.",
    examples=("harness plugins", "harness plugins --json"),
)
