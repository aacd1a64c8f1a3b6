"""The keeper as one file, for a host that has Python and nothing of ours."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys\n\nfrom harness_core.keeper.server.main import main\n\nmain(sys.argv)\n"
ANCIENT = (1980, 1, 1, 0, 0, 0)


def bundle() -> bytes:
    """A zip to run as ``python3 -I -S keeper.zip STATE_DIR``; equal code gives equal bytes, so its hash can name it."""
    package = ROOT / "harness_core"
    sources = [package / "__init__.py", package / "keeper" / "__init__.py", *sorted((package / "keeper" / "server").glob("*.py"))]
    files = {"__main__.py": MAIN, **{str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sources}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, ANCIENT), text)
    return buffer.getvalue()
