"""What the keys mean in `harness up`: a view as a value, and what pressing a key makes of it. No terminal in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import takewhile

ALL = "all of them"
"""The choice that is no service: names have no spaces."""


class Mode(Enum):
    """What the keys are for just now."""

    LOOK = "look"
    PICK = "pick"
    CONFIRM = "confirm"
    FILTER = "filter"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to do: `detach`, `stop`, `restart` or `filter`. `services`: these; None: all of them. `text`: of the filter."""

    verb: str
    services: tuple[str, ...] | None = ()
    text: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What is shown below the logs. `typed` and `chosen` are about the prompt, `pending` is what awaits a yes."""

    mode: Mode = Mode.LOOK
    verb: str = ""
    typed: str = ""
    chosen: int = 0
    filter: str = ""
    question: str = ""
    pending: Deed | None = None

    def matches(self, names: Sequence[str]) -> list[str]:
        """What can be picked: names that begin with what was typed, then those in which it stands; all of them last."""
        options = [*names, *([ALL] if len(names) > 1 else [])]
        typed = self.typed.lower()
        begin = [name for name in options if name.lower().startswith(typed)]
        return begin + [name for name in options if name not in begin and typed in name.lower()]

    def asking(self, question: str, deed: Deed) -> View:
        """The same with a question, whose yes is the deed."""
        return replace(self, mode=Mode.CONFIRM, question=question, pending=deed, typed="", chosen=0)


def press(view: View, key: str, choices: Mapping[str, Sequence[str]]) -> tuple[View, Deed | None]:
    """The view after a key, and what is to be done; `choices` are the services that each verb can be about."""
    match view.mode:
        case Mode.LOOK:
            return _look(view, key, choices)
        case Mode.PICK:
            return _pick(view, key, choices.get(view.verb, ()))
        case Mode.FILTER:
            return _filter(view, key)
        case Mode.CONFIRM:
            return replace(view, mode=Mode.LOOK, pending=None), view.pending if key in ("y", "Y") else None
        case Mode.HELP:
            return replace(view, mode=Mode.LOOK), None


def _look(view: View, key: str, choices: Mapping[str, Sequence[str]]) -> tuple[View, Deed | None]:
    match key:
        case "q":
            return view, Deed("detach")
        case "s" | "r":
            verb = "stop" if key == "s" else "restart"
            if not choices.get(verb):
                return view, None
            return replace(view, mode=Mode.PICK, verb=verb, typed="", chosen=0), None
        case "/":
            return replace(view, mode=Mode.FILTER, typed=view.filter), None
        case "?" | "h":
            return replace(view, mode=Mode.HELP), None
        case "escape" if view.filter:
            return replace(view, filter=""), Deed("filter")
        case _:
            return view, None


def _pick(view: View, key: str, names: Sequence[str]) -> tuple[View, Deed | None]:
    matches = view.matches(names)
    match key:
        case "escape":
            return replace(view, mode=Mode.LOOK), None
        case "enter" if matches:
            choice = matches[view.chosen % len(matches)]
            return replace(view, mode=Mode.LOOK), Deed(view.verb, None if choice == ALL else (choice,))
        case "tab":
            return _completed(view, matches), None
        case "down" | "right":
            return replace(view, chosen=view.chosen + 1), None
        case "up" | "left" | "back-tab":
            return replace(view, chosen=view.chosen - 1), None
        case "backspace" if not view.typed:
            return replace(view, mode=Mode.LOOK), None
        case _:
            return replace(view, typed=_edited(view.typed, key), chosen=0 if _edits(key) else view.chosen), None


def _completed(view: View, matches: list[str]) -> View:
    """As much as all matches have in common is typed; where that is nothing more, the next match is chosen."""
    begin = [name for name in matches if name.lower().startswith(view.typed.lower())]
    common = "".join(of[0] for of in takewhile(lambda of: len(set(of)) == 1, zip(*begin, strict=False)))
    if len(common) > len(view.typed):
        return replace(view, typed=common, chosen=0)
    return replace(view, chosen=view.chosen + 1)


def _filter(view: View, key: str) -> tuple[View, Deed | None]:
    match key:
        case "enter":
            return _narrowed(view, view.typed.strip())
        case "escape":
            return _narrowed(view, "")
        case "backspace" if not view.typed:
            return _narrowed(view, "")
        case _:
            return replace(view, typed=_edited(view.typed, key)), None


def _narrowed(view: View, text: str) -> tuple[View, Deed | None]:
    looking = replace(view, mode=Mode.LOOK, typed="", filter=text)
    return looking, Deed("filter", text=text) if text != view.filter else None


def _edited(text: str, key: str) -> str:
    if key == "backspace":
        return text[:-1]
    if key == "kill":
        return ""
    return text + key if len(key) == 1 else text


def _edits(key: str) -> bool:
    return len(key) == 1 or key in ("backspace", "kill")
