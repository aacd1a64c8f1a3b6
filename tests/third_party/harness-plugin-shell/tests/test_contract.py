import shlex

from harness_plugin_shell.plugin import OFFER

from harness_core.testing import ExecutorContract


class TestShell(ExecutorContract):
    offer = OFFER
    config = {"script": "exit 0"}

    def shell(self, script, *arguments, **fields):
        words = ["sh", "-c", script, "sh", *arguments]
        return self.spec(config={"script": f"exec {shlex.join(words)}"}, **fields)
