"""What the docs say can be followed: links lead somewhere, commands exist, printed configurations are valid."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness_core.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
GLOBS = ("*.md", "docs/**/*.md", "benchmarks/*.md", "harness_plugins/*/*.md")
PAGES = sorted(page for pattern in GLOBS for page in ROOT.glob(pattern))


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not re.match(r"[a-z]+:", link) and (not target.exists() or (anchor and anchor not in anchors(target))):
            broken.append(link)

    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_elsewhere_are_well_formed(page):
    elsewhere = [link for link in links(page) if re.match(r"[a-z]+:", link)]

    assert not [link for link in elsewhere if not re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]{2,}(/\S*)?|mailto:\S+@\S+", link)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_are_printed_exist(page):
    printed = re.findall(r"^\$ harness ([a-z]+)", "".join(blocks(page, "console")), re.MULTILINE)

    assert set(printed) <= set(COMMANDS)


def test_scripts_that_are_printed_exist():
    for page in PAGES:
        for script in re.findall(r"^\$ (scripts/\S+)", "".join(blocks(page, "console")), re.MULTILINE):
            assert (ROOT / script).exists(), f"{name_of(page)} names {script}"


def test_the_quickstart_shows_the_example_as_it_is():
    example = (ROOT / "examples/quickstart/services.yaml").read_text()
    example = re.sub(r"^    description: .*\n", "", example, flags=re.MULTILINE)

    shown = blocks(ROOT / "docs/quickstart.md", "yaml")

    assert len(shown) == 4
    assert not [block for block in shown if block.removeprefix("services:\n") not in example]


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*/services.yaml")), ids=lambda path: path.parent.name)
def test_an_example_is_valid(example):
    assert_valid(example)


def test_the_configuration_of_the_readme_is_valid(tmp_path):
    path = tmp_path / "services.yaml"
    path.write_text(blocks(ROOT / "README.md", "yaml")[0])

    assert_valid(path)


def test_every_record_is_in_the_index():
    index = (ROOT / "docs/adr/README.md").read_text()

    missing = [record.name for record in ROOT.glob("docs/adr/0*.md") if f"({record.name})" not in index]

    assert not missing


def assert_valid(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness_core", "-f", path, "validate"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
