"""Settings: what the global options say, wherever on the line they stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

_KEY = "harness.settings"
_BEGUN = "harness.begun"


@dataclass(frozen=True, slots=True)
class Settings:
    """The global options."""

    files: tuple[str, ...] = ()
    project: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False


class FileName(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A file's name, which the shell itself completes."""

    name = "file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """That it is a file."""
        return [CompletionItem(incomplete, type="file")]


def settings_of(context: click.Context) -> Settings:
    """What was said before and after the subcommand; the later one wins, files add up."""
    return Settings(**context.meta.get(_KEY, {}))


def parsed_settings(context: click.Context) -> Settings | None:
    """The same, once a command was begun with it; before, nobody knows which words are options."""
    return settings_of(context) if context.meta.get(_BEGUN) else None


def begin(context: click.Context) -> Settings:
    """The settings that a command begins with."""
    context.meta[_BEGUN] = True
    return settings_of(context)


def global_options(*, taken: frozenset[str]) -> list[click.Option]:
    """The options that every command has; a flag that the command itself uses (`-f` of `logs`) is `taken`."""
    return [
        click.Option(
            [name, *(flag for flag in flags if flag not in taken)],
            expose_value=False,
            is_eager=True,
            callback=_remember,
            **attributes,
        )
        for name, flags, attributes in _OPTIONS
    ]


_OPTIONS: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...] = (
    (
        "files",
        ("-f", "-c", "--file", "--config"),
        {
            "metavar": "FILE",
            "multiple": True,
            "type": FileName(),
            "help": "The configuration; default: services.yaml here or in a parent folder. Repeated: later files win key by key.",
        },
    ),
    ("project", ("-p", "--project"), {"metavar": "NAME", "help": "The project, instead of the one that the file stands for."}),
    ("json", ("--json",), {"is_flag": True, "help": "Answer in JSON, errors too."}),
    ("quiet", ("-q", "--quiet"), {"is_flag": True, "help": "Say only what was asked for, and errors."}),
    ("verbose", ("-v", "--verbose"), {"is_flag": True, "help": "Say what is done and where details are."}),
    ("no_color", ("--no-color",), {"is_flag": True, "help": "No colours, as with NO_COLOR."}),
)


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if not value:
        return
    said = context.meta.setdefault(_KEY, {})
    said[parameter.name] = (*said.get("files", ()), *value) if parameter.name == "files" else value
