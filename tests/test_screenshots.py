"""The pictures in the docs are made by a script from the real thing, load nothing from elsewhere, and are of today's views."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SEEN = {
    "up": (r"● api +running +healthy +4s +http://127", r"worker +\| turn 3", "q detach +s stop +r restart +/ filter"),
    "status": (r"service +type +state +health +uptime +restarts +endpoint", r"flaky +process +running", "quickstart: 3 running"),
    "why": (r"running +flaky runs", "last asked by ann", "what happened", "│ attempt 3: settled"),
    "config-error": (r"/home/ann/stack/shop/services\.yaml:7:5: error: unknown key 'comand'", r"hint: did you mean 'process'\?"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    script = [sys.executable, str(ROOT / "scripts" / "make-screenshots"), "--to", str(folder)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(picture: Path) -> str:
    """What is written in it, line by line."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for element in ET.parse(picture).iter("{http://www.w3.org/2000/svg}text"):
        if "clip-path" in element.attrib:
            row = lines.setdefault(float(element.attrib["y"]), [])
            row.append((float(element.attrib["x"]), (element.text or "").replace("\xa0", " ").rstrip("\n")))
    text = []
    for _, row in sorted(lines.items()):
        line = ""
        for x, piece in sorted(row):
            line = line.ljust(round(x / 12.2)) + piece
        text.append(line.rstrip())
    return "\n".join(text)


@pytest.mark.parametrize("name", SEEN)
def test_the_script_makes_each_picture_of_what_is_seen(made, name):
    text = text_of(made / f"{name}.svg")

    for pattern in SEEN[name]:
        assert re.search(pattern, text), text


@pytest.mark.parametrize("name", SEEN)
def test_the_committed_picture_shows_the_same(name):
    text = text_of(IMAGES / f"{name}.svg")

    for pattern in SEEN[name]:
        assert re.search(pattern, text), f"scripts/make-screenshots makes it anew; it shows:\n{text}"


def test_what_does_not_depend_on_the_moment_is_the_very_same(made):
    assert text_of(made / "status.svg") == text_of(IMAGES / "status.svg"), "scripts/make-screenshots makes it anew"


@pytest.mark.parametrize("name", SEEN)
def test_a_picture_loads_nothing_and_betrays_nothing(name):
    source = (IMAGES / f"{name}.svg").read_text()

    assert "@font-face" not in source
    assert not re.search(r"(?:url\(|href=|src=)[\"']?https?:", source)
    assert "/tmp/" not in source
    assert str(ROOT) not in source


def test_each_picture_is_in_the_docs():
    pages = "\n".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

    assert {path.stem for path in IMAGES.glob("*.svg")} == set(SEEN)
    for name in SEEN:
        assert re.search(rf"!\[[^\]]+\]\([^)]*images/{name}\.svg\)", pages), name
