"""The names of `harness_core.contracts` are looked up lazily; the table that finds them must stay whole."""

from __future__ import annotations

import subprocess
import sys

import harness_core.contracts as contracts


def test_every_name_that_is_exported_is_found():
    assert sorted(contracts._HOME_OF) == sorted(contracts.__all__)
    assert [name for name in contracts.__all__ if getattr(contracts, name, None) is None] == []


def test_one_error_class_costs_no_other_contract():
    code = "import sys, harness_core.contracts.errors; print([m for m in sys.modules if m.startswith('harness_core.contracts.')])"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.strip() == "['harness_core.contracts.errors']"
