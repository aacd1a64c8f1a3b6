"""DetachKeys: the keys that let go of a service instead of reaching it."""

from __future__ import annotations

DEFAULT = "ctrl-p,ctrl-q"


class DetachKeys:
    """A sequence of keys, looked for in what is typed."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """What goes on to the service, and whether the keys were pressed; the beginning of them is held until more is typed."""
        text = self._held + typed
        at = text.find(self._keys)
        if at >= 0:
            self._held = b""
            return text[:at], True
        held = next((n for n in range(min(len(self._keys) - 1, len(text)), 0, -1) if self._keys.startswith(text[-n:])), 0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held], False


def parse(written: str) -> bytes:
    """The bytes of `ctrl-p,ctrl-q` or `a,ctrl-x`; ValueError says what is wrong."""
    keys = b""
    for word in written.split(","):
        name = word.strip()
        if len(name) == 1 and name.isascii() and name.isprintable():
            keys += name.encode()
        elif name.lower().startswith("ctrl-") and len(name) == 6 and name[5].upper() in "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_":
            keys += bytes([ord(name[5].upper()) & 0x1F])
        else:
            raise ValueError(f"{name!r} is no key: a letter, or ctrl- and a letter, joined by commas ({DEFAULT})")
    return keys


def in_words(written: str) -> str:
    """`Ctrl-P Ctrl-Q` for `ctrl-p,ctrl-q`."""
    words = [word.strip() for word in written.split(",")]
    return " ".join(f"Ctrl-{word[5].upper()}" if word.lower().startswith("ctrl-") else word for word in words)
