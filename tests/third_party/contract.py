"""The kit proves the reciter. Named so that only who asks for this file runs it: the reciter has to be installed."""

from somebodys_reciter import harness_executors

from harness_core.testing import ExecutorContract


class TestReciter(ExecutorContract):
    offer = harness_executors()[0]

    def running(self, mark="kit"):
        return self.spec(config={"stay": True})

    def exiting(self, code):
        return self.spec(config={"code": code})

    def printing(self, lines, *, running=False):
        return self.spec(config={"lines": lines, "stay": running})
