"""`status --watch`: the table, drawn again in place as things change."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from harness_core.cli.follow import reconnect
from harness_core.cli.render_status import status_sheet, summary
from harness_core.cli.session import Session
from harness_core.cli.text import ansi, plain
from harness_core.protocol import StatusOfServices
from harness_core.transport import ConnectionLost

_EVERY = 1.0


def watch_status(session: Session, request: StatusOfServices, *, figures: bool, detailed: bool) -> None:
    """Show the status again each second, until Ctrl-C; in a pipe, one JSON object or table after the other."""
    while True:
        try:
            answer = session.call(request)
        except ConnectionLost as e:
            reconnect(session, e)
            continue
        _draw(session, answer, figures=figures, detailed=detailed)
        time.sleep(_EVERY)


def _draw(session: Session, answer: dict[str, Any], *, figures: bool, detailed: bool) -> None:
    output = session.output
    if session.settings.json:
        output.json(answer)
        return
    sheet = status_sheet(answer, now=datetime.now(UTC), figures=figures, detailed=detailed)
    if not output.movable:
        output.sheet(sheet)
        return
    drawn = sheet.without_empty().fit(output.width).drawn()
    table = output.text(drawn, output.stdout).splitlines()
    last = summary(answer)
    room = max(1, output.height - 2)
    missing = len(table) - room
    shown = [*table[: room - 1], f"… {missing + 1} more"] if missing > 0 else table
    ending = ansi(last) if output.colours(output.stdout) else plain(last)
    # Home, each line cleared as it is written, the rest cleared below: nothing flickers and nothing stays behind.
    output.write("\x1b[H" + "".join(f"{text}\x1b[K\n" for text in (*shown, ending)) + "\x1b[J")
