"""Completing a command line: the scripts that shells load, and what they ask for while somebody types.

A script calls `_HARNESS_COMPLETE=SHELL harness WORD…`, the last word being the one that is typed, and reads a candidate a line:
the word, and for those shells that show one a tab and a description. A line `:files` asks for names of files instead.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence

import click
from click.shell_completion import CompletionItem, ShellComplete

VARIABLE = "_HARNESS_COMPLETE"
FILES = ":files"

# Nothing that goes wrong may be printed into the line that is being typed, and nothing may read what is typed.
_CALL = "2>/dev/null </dev/null"
SCRIPTS: Mapping[str, str] = {
    "bash": f"""\
_harness() {{
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            {FILES}) compopt -o default 2>/dev/null ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <({VARIABLE}=bash "$1" "${{COMP_WORDS[@]:1:COMP_CWORD}}" {_CALL})
}}
complete -o nosort -F _harness harness 2>/dev/null || complete -F _harness harness
""",
    "zsh": f"""\
#compdef harness
_harness() {{
    local line
    local -a candidates
    for line in "${{(@f)$({VARIABLE}=zsh ${{words[1]}} "${{(@)words[2,CURRENT]}}" {_CALL})}}"; do
        case $line in
            '') ;;
            {FILES}) _files ;;
            *$'\\t'*) candidates+=("${{${{line%%$'\\t'*}}//:/\\\\:}}:${{line#*$'\\t'}}") ;;
            *) candidates+=("${{line//:/\\\\:}}") ;;
        esac
    done
    (( $#candidates )) && _describe -V harness candidates
}}
if [[ ${{funcstack[1]}} == _harness ]]; then
    _harness "$@"
else
    (( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
    compdef _harness harness
fi
""",
    "fish": f"""\
function __harness
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (env {VARIABLE}=fish $words "$current" {_CALL})
        if test "$line" = {FILES}
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c harness -f -a '(__harness)'
""",
}


def answer(cli: click.Group, words: Sequence[str], *, shell: str) -> str:
    """What the script of a shell reads; empty where there is nothing to say, whatever the reason."""
    with contextlib.suppress(Exception):  # whoever types is not told here what is wrong with their services.yaml
        return "".join(f"{line}\n" for line in _lines(cli, [_unquoted(word) for word in words] or [""], shell))
    return ""


def _lines(cli: click.Group, words: list[str], shell: str) -> Iterator[str]:
    words = _with_values_apart(words)
    incomplete, prefix = words[-1], ""
    if shell != "bash" and incomplete.startswith("--") and "=" in incomplete:
        # Other shells take the whole word for what is being completed; bash begins anew after the equals sign.
        prefix = incomplete.partition("=")[0] + "="
    found = ShellComplete(cli, {}, "harness", VARIABLE).get_completions(words[:-1], incomplete)
    for item in found:
        if item.type in ("file", "dir"):
            yield FILES
        else:
            yield prefix + str(item.value) + _description(item, shell)


def _description(item: CompletionItem, shell: str) -> str:
    help: str | None = item.help
    return f"\t{help}" if help and shell != "bash" else ""


def _with_values_apart(words: list[str]) -> list[str]:
    """The words as click takes them: bash makes three of `--format=dot`, and of `NAME=value`, which is one."""
    apart: list[str] = []
    for number, word in enumerate(words):
        if word == "=" and apart and apart[-1].startswith("--"):
            continue
        if apart and apart[-1] and "=" in (word, words[number - 1]) and not apart[-1].startswith("-"):
            apart[-1] += word
        else:
            apart.append(word)
    if words[-1] == "=" and apart[-1].startswith("--"):
        apart.append("")
    return apart


def _unquoted(word: str) -> str:
    """The word without its quotes; as it is where they are not closed yet."""
    if not any(character in word for character in "'\"\\"):
        return word
    try:
        parts = shlex.split(word)
    except ValueError:
        return word.lstrip("'\"")
    return parts[0] if len(parts) == 1 else word
