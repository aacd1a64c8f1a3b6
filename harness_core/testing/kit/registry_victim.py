"""A program that commits and commits until it is killed; it prints the number of each commit once that is acknowledged.

    python registry_victim.py <module> <qualified name of create> <config as JSON> <sys.path as JSON>
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import operator
import sys
from typing import Any


async def write_for_ever(module: str, create: str, config: Any) -> None:
    """Commit until the end."""
    from harness_core.contracts.registry import Change, RegistryBackend, StoredEvent
    from harness_core.testing.context import FakeContext

    registry: RegistryBackend = operator.attrgetter(create)(importlib.import_module(module))(FakeContext())
    await registry.open(config)
    for number in itertools.count(1):
        await registry.commit([Change("service", "first", number), Change("service", "second", number)])
        await registry.append([StoredEvent(number, {"n": number})])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[4])
    asyncio.run(write_for_ever(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
