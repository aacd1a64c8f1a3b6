"""Commands that are imported only when they are called, and that answer a typo with a suggestion."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from harness_core.cli.settings import global_options

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Everywhere(click.Command):
    """Adds the global options, and shows them in a section of their own."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", _CONTEXT)
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        taken = frozenset(flag for parameter in self.params for flag in parameter.opts)
        self.everywhere = global_options(taken=taken)
        self.params.extend(self.everywhere)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then those of all commands."""
        shared = {id(option) for option in self.everywhere}
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                (common if id(parameter) in shared else own).append(record)
        for title, records in (("Options", own), ("Options of every command", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, as they are typed."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(" " * formatter.current_indent + example + "\n")


class HarnessCommand(_Everywhere):
    """One command."""


class LazyGroup(_Everywhere, click.Group):
    """A group whose commands stand in a table (name → first line of help) and in `package`, one module each."""

    def __init__(self, *args: Any, table: Mapping[str, str], prefix: str, aliases: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table, self.prefix, self.aliases = table, prefix, aliases

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None if there is none."""
        name = self.aliases.get(cmd_name, cmd_name)
        if name not in self.table:
            return None
        command: click.Command = importlib.import_module(f"harness_core.cli.commands.{self.prefix}{name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands that begin like this, without importing a single one, and options."""
        names = [CompletionItem(name, help=first) for name, first in self.table.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names; a wrong name raises with the nearest ones."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is not None or ctx.resilient_parsing:
            return (name if command else None), command, args[1:]
        if name.startswith("-"):
            raise click.NoSuchOption(name, ctx=ctx)
        import difflib

        close = difflib.get_close_matches(name, [*self.table, *self.aliases], n=2)
        hint = "did you mean " + " or ".join(f"'{c}'" for c in close) + "?" if close else f"{ctx.command_path} --help lists them"
        raise UnknownName(f"no command '{name}'", hint=hint, ctx=ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing a single command."""
        shown = {name: [name, *(alias for alias, of in self.aliases.items() if of == name)] for name in self.table}
        with formatter.section("Commands"):
            formatter.write_dl([(", ".join(shown[name]), first_line) for name, first_line in self.table.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options, then commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


class UnknownName(click.UsageError):
    """A word that names nothing here, with the nearest that does."""

    def __init__(self, message: str, *, hint: str, ctx: click.Context | None = None) -> None:
        super().__init__(message, ctx)
        self.hint = hint
