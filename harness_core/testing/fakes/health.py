"""FakeHealthCheck: probes that answer as scripted."""

from __future__ import annotations

from collections import deque
from typing import Any

from harness_core.contracts.health import Health, HealthCheck, Target
from harness_core.contracts.offer import Offer


class FakeHealthCheck(HealthCheck):
    """`health_check: {fake: api}` probes the script `api`: answers in order, the last one for ever, healthy without any."""

    def __init__(self) -> None:
        self.probes: list[str] = []
        """the script of every probe, in order"""
        self._answers: dict[str, deque[Health | Exception]] = {}

    def offer(self, *, name: str = "fake") -> Offer:
        """An offer that creates this very object, so that a test can go on scripting it."""
        return Offer(
            name=name,
            summary="answers as scripted, for tests",
            create=lambda context: self,
            schema={
                "type": ["string", "object"],
                "properties": {"script": {"type": "string", "description": "Which script answers."}},
            },
        )

    def answer(self, script: str, *answers: Health | Exception) -> None:
        """From now on the probes of `script` find these; an exception is raised."""
        if not answers:
            raise ValueError("at least one answer")
        self._answers[script] = deque(answers)

    async def probe(self, config: Any, target: Target) -> Health:
        """The next answer of the script."""
        script = config if isinstance(config, str) else config.get("script", "")
        self.probes.append(script)
        answers = self._answers.get(script)
        if answers is None:
            return Health(True, "nothing scripted")
        answer = answers[0] if len(answers) == 1 else answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer
