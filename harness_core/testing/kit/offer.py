"""OfferContract: what holds for the offers of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jsonschema

from harness_core.contracts.offer import Offer
from harness_core.plugins.catalog import Kind
from harness_core.plugins.inspection import fault_of
from harness_core.testing.context import FakeContext

_ALWAYS_THERE = {"harness_core", "pluggy"}


class OfferContract:
    """Cases for the card on the counter: read without cost, true, and documented."""

    offer: Offer
    """what is to be proved"""
    config: Any = MappingProxyType({})
    """a config of the offer's own keys that works where the tests run"""
    heavy_modules: tuple[str, ...] = ()
    """further modules that must not be imported by reading the offer; foreign packages never may"""
    patience: float = 30.0
    """seconds that a case may take"""

    kind: Kind
    made: type

    @property
    def _own_package(self) -> str:
        return self.offer.create.__module__.split(".")[0]

    def test_the_offer_is_accepted_by_the_catalog(self) -> None:
        fault = fault_of(self.offer, self.kind, check_schema=True)

        assert fault is None

    def test_the_schema_is_valid_and_describes_every_key(self) -> None:
        schema = self.offer.schema

        jsonschema.Draft202012Validator.check_schema(dict(schema))

        undescribed = [key for key, value in schema.get("properties", {}).items() if not value.get("description")]
        assert not undescribed, f"keys without a description: {', '.join(undescribed)}"

    def test_the_schema_accepts_the_config_that_is_tested_with(self) -> None:
        config = dict(self.config) if isinstance(self.config, Mapping) else self.config

        problems = [error.message for error in jsonschema.Draft202012Validator(dict(self.offer.schema)).iter_errors(config)]

        assert problems == []

    def test_the_summary_is_one_line(self) -> None:
        assert self.offer.summary.strip()
        assert "\n" not in self.offer.summary

    def test_reading_the_offer_imports_no_sdk(self) -> None:
        module = self.offer.create.__module__

        imported = _imports_of(module)

        own = _ALWAYS_THERE | {self._own_package} | sys.stdlib_module_names
        foreign = {name.split(".")[0] for name in imported} - own
        assert not foreign, f"importing {module} also imports {', '.join(sorted(foreign))}; import them inside `create`"
        heavy = sorted(set(self.heavy_modules) & imported)
        assert not heavy, f"importing {module} also imports {', '.join(heavy)}"

    def test_create_answers_with_the_right_thing(self) -> None:
        made = self.offer.create(FakeContext())

        assert isinstance(made, self.made), f"create answered with {type(made).__name__}, not a {self.made.__name__}"


def _imports_of(module: str) -> set[str]:
    """The names of all modules that importing one brings into a fresh interpreter."""
    code = (
        "import sys, json; sys.path[:0] = json.loads(sys.argv[2]); before = set(sys.modules); import importlib;"
        "importlib.import_module(sys.argv[1]); print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    # Safe path off and sys.path handed over: the module must be found as it was found here.
    answer = subprocess.run(
        [sys.executable, "-c", code, module, json.dumps(sys.path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, f"importing {module} failed in a fresh interpreter:\n{answer.stderr}"
    return set(json.loads(answer.stdout.splitlines()[-1]))
