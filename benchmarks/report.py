"""Report: RESULTS.md out of raw figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.plot import loglog
from benchmarks.reasons import REASONS
from benchmarks.results import Results
from benchmarks.rows import HOLD, ROWS, SCALE, SIZES, Row

HERE = Path(__file__).parent
PEERS = ("s6", "runit", "systemd", "supervisord", "circus", "pm2", "honcho")
NAMED = ("supervisord", "circus", "pm2")

METHOD = """\
## Method

Every service is one small static C program, which writes the monotonic time of its first instruction to a file: nobody polls
the process table. Within a round each measure goes over all tools, so that a slow minute of the machine hits them all; the
table has medians over all rounds of one series (latencies: over all samples). Each start is fresh, in a temporary folder.

- *up*: from the wish to the first instruction of the last service. *Warm* is harness's daemon asked by a connected client; the
  peers have no such state, they start cold. *Cold* is the whole command with everything that it starts; only harness's
  certificates are there already, as for anybody's second command.
- *down*: from the wish until the kernel says that the last service is gone.
- *memory*: resident, summed over all processes of the tool, loggers included; per further service is the slope from 100 to 500.
- *restart*: 50 services, each killed at a random moment within 5 s, so that who polls is met at any phase; no delay asked for.
- *log*: one service writes 200 MB in lines of 100 bytes, until all of it is on disk; CPU is the tool's alone. harness keeps its
  time index and rotates, the peers only append. Lost lines are counted.
- *API*: closed loop, a thread for each client, one service's status out of 100. harness speaks TLS 1.3 with client
  certificates, the peers plain unix sockets. The *floor* is a loop of Python's standard library that only spawns, moves
  output and waits.
- *limits* were set after a first series on such a machine. Times and throughputs are scaled by how the same tools did here
  (× in the table), because machines differ and ratios don't. Memory and idle CPU are not scaled.
"""


def write(results: Results, folder: Path, *, imports: Path | None = None) -> None:
    """RESULTS.md and the picture it shows."""
    folder.joinpath("scale.svg").write_text(_picture(results))
    trees = json.loads(imports.read_text()) if imports and imports.exists() else {}
    folder.joinpath("RESULTS.md").write_text("\n".join(_lines(results, trees)))


def _lines(results: Results, trees: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    machine = results.content["machine"]
    yield "# Benchmarks: results\n"
    yield "Made by `python -m benchmarks render` from `results.json`, the raw figures of one series; not edited by hand.\n"
    yield (
        f"{machine['date']}; {machine['cores']} cores ({machine['cpu']}), {machine['memory_GiB']} GiB; {machine['system']}, "
        f"Linux {machine['kernel']}; Python {machine['python']}. The tools: "
        + "; ".join(results.content["versions"].values())
        + ".\n"
    )
    yield "## Side by side\n"
    yield (
        "*must* and *wants* are this series' limits. ✓ holds, ✗ does not. *to best* is harness divided by the best peer (for "
        "throughputs the other way round): below 1 harness is ahead.\n"
    )
    yield from _side_by_side(results)
    yield from _reasons(results, [*ROWS, *HOLD])
    yield from _crash(results)
    yield from _whole_commands(results)
    yield "## Load to hold\n"
    yield "| what | harness | must |\n|---|---|---|"
    for row in HOLD:
        value = row.harness(results)
        yield f"| {row.label} | {_number(value, row)} {row.unit} | {_limit(row, value, row.must)} |"
    yield "\nNot measured here: the lag of the daemon's event loop, 200 health checks a second.\n"
    yield from _scale(results)
    yield METHOD
    yield from _trouble(results)
    yield from _imports(trees)


def _side_by_side(results: Results) -> Iterator[str]:
    yield "| what | floor | best peer | " + " | ".join(NAMED) + " | **harness** | to best | must | wants |"
    yield "|---|" + "---:|" * (len(NAMED) + 4) + "---|---|"
    for row in ROWS:
        value, factor = row.harness(results), row.factor(results)
        best = _best(row, results)
        named = [_number(row.peer(results, tool), row) for tool in NAMED]
        ratio = "–"
        if best and value and best[1]:
            ratio = f"{(best[1] / value if row.more else value / best[1]):.2g}"
        scale = f" (×{factor:.2f})" if row.scaled and row.reference else ""
        cells = [
            f"{row.label}, {row.unit}",
            _number(row.figure(results, "floor"), row),
            f"{best[0]} {_number(best[1], row)}" if best else "–",
            *named,
            f"**{_number(value, row)}**",
            ratio,
            _limit(row, value, row.must * factor) + scale,
            _limit(row, value, row.wants * factor),
        ]
        yield "| " + " | ".join(cells) + " |"
    yield ""


def _best(row: Row, results: Results) -> tuple[str, float] | None:
    found = [(tool, value) for tool in PEERS if (value := row.peer(results, tool)) is not None]
    if not found:
        return None
    return (max if row.more else min)(found, key=lambda pair: pair[1])


def _limit(row: Row, value: float | None, limit: float) -> str:
    sign = "≥" if row.more else "≤"
    mark = "" if value is None else "✓ " if row.holds(value, limit) else "✗ "
    return f"{mark}{sign} {_number(limit, row)}"


def _number(value: float | None, row: Row) -> str:
    if value is None:
        return "–"
    digits = max(row.digits, 2 if abs(value) < 1 else 1 if abs(value) < 10 else 0)
    return f"{value:,.{digits}f}"


def _reasons(results: Results, rows: list[Row]) -> Iterator[str]:
    missed = []
    for row in rows:
        value, factor = row.harness(results), row.factor(results)
        if value is None or row.holds(value, row.wants * factor):
            continue
        what = "wanted" if row.holds(value, row.must * factor) else "**must**"
        missed.append(f"- {row.label}: {what}. {REASONS.get(row.label, 'No reason is known yet.')}")
    if missed:
        yield "What does not hold, and why:\n"
        yield from missed
        yield ""


def _crash(results: Results) -> Iterator[str]:
    yield "### kill -9 of the supervisor\n"
    yield (
        "Three services that write a numbered line each 10 ms, and one that exits with 7 while nobody is there; then the tool is "
        "started again. *all*: all processes of the tool are killed, but loggers of their own. *kept*: the same "
        "processes run on under the next supervisor. *doubles*: services that run twice then.\n"
    )
    yield "| tool | killed | alive | kept | doubles | lines missing | exit code known |\n|---|---|---|---|---|---|---|"
    for measure, word in (("crash-root", "supervisor"), ("crash-all", "all")):
        for tool in ("harness", *PEERS):
            for figures in results.content["figures"].get(measure, {}).get(tool, [])[-1:]:
                yield _crash_line(tool, word, figures)
    yield ""


def _crash_line(tool: str, word: str, figures: Mapping[str, Any]) -> str:
    services = figures["services"]
    complete = figures["gaps"] if figures["kept"] == services else "the services are gone"
    code = "yes" if figures["exit_code"] == 7 else "no"
    doubles = max(0, figures["instances"] - services - 1)
    cells = (tool, word, f"{figures['alive']} of {services}", f"{figures['kept']} of {services}", doubles, complete, code)
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _whole_commands(results: Results) -> Iterator[str]:
    cells = []
    for label, measure in (("N = 100", "warm-many"), ("N = 500", "warm-more")):
        up, down = (results.median(measure, "harness", key) for key in ("up_command_ms", "down_command_ms"))
        if up is not None and down is not None:
            cells.append(f"{label}: `harness up -d` {up:,.0f} ms, `harness down` {down:,.0f} ms")
    if cells:
        yield "### The same by whole commands\n"
        yield (
            "With the daemon there, from typing the command until the last service runs, or is gone. " + "; ".join(cells) + ".\n"
        )


def _scale(results: Results) -> Iterator[str]:
    yield "## Scale\n"
    yield "![Cost over N on two logarithmic axes](scale.svg)\n"
    yield "| what | unit | " + " | ".join(f"N = {size:,}" for size in SIZES) + " |"
    yield "|---|---|" + "---:|" * len(SIZES)
    for name, (unit, figure) in SCALE.items():
        values = [figure(size)(results, "harness") for size in SIZES]
        yield f"| {name} | {unit} | " + " | ".join("–" if value is None else f"{value:,.1f}" for value in values) + " |"
    yield ""


def _picture(results: Results) -> str:
    curves = {}
    for name, (unit, figure) in SCALE.items():
        found = [(size, figure(size)(results, "harness")) for size in SIZES]
        if points := [(float(size), value) for size, value in found if value is not None]:
            curves[f"{name.replace('`', '')}, {unit}"] = points
    return loglog(curves, across="N")


def _trouble(results: Results) -> Iterator[str]:
    if results.content["trouble"]:
        yield "## What could not be measured\n"
        for entry in results.content["trouble"]:
            yield f"- {entry['measure']} of {entry['tool']}: {entry['why'].splitlines()[0][:200]}"
        yield ""


def _imports(trees: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    if not trees:
        return
    yield "## What a command imports\n"
    yield "Milliseconds by `python -X importtime`, of each module with all that it imports; those below one are only counted.\n"
    for command in next(iter(trees.values())):
        for when, texts in trees.items():
            yield f"`{command}`, {when}:\n\n```text\n{texts[command]}\n```\n"
