from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness_core.testing import RegistryContract
from harness_plugin_sqlite.plugin import OFFER


class TestSqlite(RegistryContract):
    offer = OFFER

    def config_in(self, folder: Path) -> Mapping[str, Any]:
        return {"path": str(folder / "registry.db")}
