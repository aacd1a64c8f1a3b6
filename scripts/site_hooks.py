"""What the site needs beyond docs/: the benchmarks' results, which lie beside their code, and every decision in the menu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {"benchmarks.md": "benchmarks/RESULTS.md", "scale.svg": "benchmarks/scale.svg"}


def on_config(config: MkDocsConfig) -> None:
    """Write `adr/*` out; leave out of the menu what nobody has measured yet."""
    menu: list[Any] = []
    for entry in config.nav or []:
        if isinstance(entry, dict) and entry.get("Decisions") == "adr/*":
            docs = Path(config.docs_dir)
            menu.append({"Decisions": sorted((str(path.relative_to(docs)) for path in docs.glob("adr/*.md")), key=_index_first)})
        elif entry != {"Benchmarks": "benchmarks.md"} or (ROOT / ELSEWHERE["benchmarks.md"]).exists():
            menu.append(entry)
    config.nav = menu


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add what lies elsewhere."""
    for name, source in ELSEWHERE.items():
        if (ROOT / source).exists():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))


def _index_first(path: str) -> tuple[bool, str]:
    return path != "adr/README.md", path
