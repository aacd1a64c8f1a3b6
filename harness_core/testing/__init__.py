"""For authors of plugins: conformance kits to inherit from, fakes to play with, a context to create offers with.

Imported name by name on first use: the pytest plugin beside this file is loaded into every pytest run, and has to ask
for rewritten assertions in the kits before they are imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness_core.testing.catalog import catalog_of as catalog_of
    from harness_core.testing.clock import FakeClock as FakeClock
    from harness_core.testing.context import FakeContext as FakeContext
    from harness_core.testing.fakes import FAKE_CAPABILITIES as FAKE_CAPABILITIES
    from harness_core.testing.fakes import Behaviour as Behaviour
    from harness_core.testing.fakes import FakeAttacher as FakeAttacher
    from harness_core.testing.fakes import FakeHealthCheck as FakeHealthCheck
    from harness_core.testing.fakes import FakeLauncher as FakeLauncher
    from harness_core.testing.fakes import FakeLayer as FakeLayer
    from harness_core.testing.fakes import FakeWorld as FakeWorld
    from harness_core.testing.fakes import MemoryRegistry as MemoryRegistry
    from harness_core.testing.fakes import MemoryStore as MemoryStore
    from harness_core.testing.fakes import fake_attach_offer as fake_attach_offer
    from harness_core.testing.fakes import fake_layer_offer as fake_layer_offer
    from harness_core.testing.fakes import fake_offer as fake_offer
    from harness_core.testing.fakes import memory_offer as memory_offer
    from harness_core.testing.kit import HOSTILE as HOSTILE
    from harness_core.testing.kit import AttacherContract as AttacherContract
    from harness_core.testing.kit import ExecutorBench as ExecutorBench
    from harness_core.testing.kit import ExecutorContract as ExecutorContract
    from harness_core.testing.kit import FakeTarget as FakeTarget
    from harness_core.testing.kit import HealthCheckContract as HealthCheckContract
    from harness_core.testing.kit import LayerContract as LayerContract
    from harness_core.testing.kit import RegistryContract as RegistryContract

_HOME = {
    "catalog_of": "catalog",
    "FakeClock": "clock",
    "FakeContext": "context",
    **dict.fromkeys(
        (
            "FAKE_CAPABILITIES", "Behaviour", "FakeAttacher", "FakeHealthCheck", "FakeLauncher", "FakeLayer", "FakeWorld",
            "MemoryRegistry", "MemoryStore", "fake_attach_offer", "fake_layer_offer", "fake_offer", "memory_offer",
        ),
        "fakes",
    ),
    **dict.fromkeys(
        (
            "HOSTILE", "AttacherContract", "ExecutorBench", "ExecutorContract", "FakeTarget", "HealthCheckContract",
            "LayerContract", "RegistryContract",
        ),
        "kit",
    ),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
