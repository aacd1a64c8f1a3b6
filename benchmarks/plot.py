"""Curves on two logarithmic axes, as an SVG that needs nothing from elsewhere and reads in light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 460, 60, 330, 20, 40
COLOURS = ("#3a86c8", "#d1495b", "#3a9d5d", "#c98b1f", "#7d5ba6", "#2a9d9d", "#b5651d", "#888888", "#d46a9f")


def loglog(curves: Mapping[str, Sequence[tuple[float, float]]], *, across: str) -> str:
    """The picture of points (x, y) by name; a line of slope one, for the eye, shows what linear growth is."""
    points = [point for curve in curves.values() for point in curve if min(point) > 0]
    if not points:
        return ""
    low_x, high_x = _decades([x for x, _ in points])
    low_y, high_y = _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low_x) / (high_x - low_x)
        up = (math.log10(y) - low_y) / (high_y - low_y)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for power in range(low_x, high_x + 1):
        (x, bottom), (_, top) = at(10**power, 10**low_y), at(10**power, 10**high_y)
        parts += [_line(x, bottom, x, top), _text(x, bottom + 18, f"{10**power:,}", "middle")]
    for power in range(low_y, high_y + 1):
        (left, y), (right, _) = at(10**low_x, 10**power), at(10**high_x, 10**power)
        parts += [_line(left, y, right, y), _text(left - 8, y + 4, f"{10**power:g}", "end")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, across, "middle"))
    decades = min(high_x - low_x, high_y - low_y)
    (x1, y1), (x2, y2) = at(10**low_x, 10**low_y), at(10 ** (low_x + decades), 10 ** (low_y + decades))
    parts.append(_line(x1, y1, x2, y2, extra='stroke-dasharray="5 5" stroke="#999999"'))
    for (name, curve), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        parts += _curve(name, [at(*point) for point in curve if min(point) > 0], colour)
    return "\n".join([*parts, *_legend(curves), "</svg>\n"])


def _curve(name: str, places: list[tuple[float, float]], colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"><title>{escape(name)}</title></polyline>',
        *dots,
    ]


def _legend(curves: Mapping[str, object]) -> list[str]:
    parts = []
    for number, (name, colour) in enumerate(zip([*curves, "linear"], [*COLOURS[: len(curves)], "#999999"], strict=True)):
        y = TOP + 14 + number * 22
        x = WIDTH - RIGHT + 20
        parts += [f'<rect x="{x}" y="{y - 9}" width="12" height="12" fill="{colour}"/>', _text(x + 20, y + 1, name, "start")]
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, *, extra: str = 'stroke="#dddddd"') -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {extra}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333333">{escape(text)}</text>'


def _decades(values: list[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)
