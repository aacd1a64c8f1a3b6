"""case: makes a test method out of a coroutine, and skips it, saying why, where a plugin does not claim what it proves."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn, Protocol

import pytest

from harness_core.contracts.offer import Capability, Offer

NOT_PROVED = "not proved: "
"""How the reason of every skipped case begins; the pytest plugin lists them by it."""


class Contract(Protocol):
    """What a conformance class has, so that its cases can run."""

    offer: Offer
    patience: float

    def bench(self) -> AbstractAsyncContextManager[Any]:
        """What each case gets: the thing to be proved, and what belongs to it."""


def not_proved(reason: str) -> NoReturn:
    """Skip the rest of this case; a reviewer finds the reason in the summary."""
    pytest.skip(NOT_PROVED + reason)


def case(*needs: Capability, lacks: Capability | None = None) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Decorate `async def test_…(self, bench, …)`; it runs in an event loop of its own, bounded by `self.patience`.

    `needs` are capabilities without which there is nothing to prove; `lacks` is one that must be absent.
    """

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(self: Contract, **parameters: Any) -> None:
            missing = [capability.name for capability in needs if capability not in self.offer.capabilities]
            if missing:
                not_proved(f"'{self.offer.name}' does not declare {' and '.join(missing)}")
            if lacks is not None and lacks in self.offer.capabilities:
                pytest.skip(f"'{self.offer.name}' declares {lacks.name}")
            asyncio.run(_bounded(self, test, parameters))

        # pytest must ask neither for a fixture named bench nor think that this is a coroutine.
        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name != "bench"]
        run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        del run.__dict__["__wrapped__"]
        return run

    return decorate


async def _bounded(contract: Contract, test: Callable[..., Awaitable[None]], parameters: dict[str, Any]) -> None:
    async with contract.bench() as bench:
        try:
            async with asyncio.timeout(contract.patience) as bound:
                await test(contract, bench, **parameters)
        except TimeoutError:
            if bound.expired():
                raise AssertionError(f"not done within {contract.patience:g} s; `patience` on the class says how long") from None
            raise
