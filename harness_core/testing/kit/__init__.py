"""Conformance kits: classes of tests that an author of a plugin inherits from."""

from harness_core.testing.kit.attacher import AttacherContract
from harness_core.testing.kit.bench import ExecutorBench
from harness_core.testing.kit.executor import ExecutorContract
from harness_core.testing.kit.health import FakeTarget, HealthCheckContract
from harness_core.testing.kit.hostile import HOSTILE
from harness_core.testing.kit.layer import LayerContract
from harness_core.testing.kit.offer import OfferContract
from harness_core.testing.kit.registry import RegistryContract

__all__ = [
    "HOSTILE",
    "AttacherContract",
    "ExecutorBench",
    "ExecutorContract",
    "FakeTarget",
    "HealthCheckContract",
    "LayerContract",
    "OfferContract",
    "RegistryContract",
]
