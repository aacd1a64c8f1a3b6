"""Executors, layers, health checks and registries that exist in memory and do as a test says."""

from harness_core.testing.fakes.health import FakeHealthCheck
from harness_core.testing.fakes.launcher import (
    FAKE_CAPABILITIES,
    FakeAttacher,
    FakeLauncher,
    fake_attach_offer,
    fake_offer,
)
from harness_core.testing.fakes.layer import FakeLayer, fake_layer_offer
from harness_core.testing.fakes.registry import MemoryRegistry, MemoryStore, memory_offer
from harness_core.testing.fakes.world import Behaviour, FakeRun, FakeWorld

__all__ = [
    "FAKE_CAPABILITIES",
    "Behaviour",
    "FakeAttacher",
    "FakeHealthCheck",
    "FakeLauncher",
    "FakeLayer",
    "FakeRun",
    "FakeWorld",
    "MemoryRegistry",
    "MemoryStore",
    "fake_attach_offer",
    "fake_layer_offer",
    "fake_offer",
    "memory_offer",
]
