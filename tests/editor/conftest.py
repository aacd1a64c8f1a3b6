"""`editor`: a YAML language server as editors run it, and just enough of the protocol to ask what a person would see."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FIRST_LINE = "# yaml-language-server: $schema=services.schema.json\n"
PATIENCE = 60.0
SETTINGS = {
    "yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}},
    "editor": {"tabSize": 2, "detectIndentation": False},
    "http": {"proxy": ""},
    "[yaml]": {},
}


class LanguageServer:
    """The server as a child process; use it in a `with`."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._last = 0
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> LanguageServer:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self._folder,
            env={**os.environ, "HOME": str(self._folder)},
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()
        workspace = {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}
        documents = {"completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}}, "hover": {}}
        self.ask(
            "initialize", processId=os.getpid(), rootUri=self._folder.as_uri(), workspaceFolders=None,
            capabilities={"workspace": workspace, "textDocument": documents},
        )  # fmt: skip
        self._tell("initialized")
        self._tell("workspace/didChangeConfiguration", settings=SETTINGS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def open(self, file: Path) -> list[dict[str, Any]]:
        """Open a file as an editor does; what the server finds wrong in it."""
        uri = file.as_uri()
        self._diagnostics.pop(uri, None)
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": file.read_text()}
        self._tell("textDocument/didOpen", textDocument=document)
        while uri not in self._diagnostics:
            self._take()
        return self._diagnostics[uri]

    def complete(self, file: Path, line: int, column: int) -> dict[str, dict[str, Any]]:
        """What it offers at a place of an open file (counted from 1), by label."""
        answer = self.ask("textDocument/completion", **self._place(file, line, column))
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return {item["label"]: item for item in items}

    def hover(self, file: Path, line: int, column: int) -> str:
        """What it shows for what is written at a place."""
        answer = self.ask("textDocument/hover", **self._place(file, line, column))
        contents = answer["contents"] if answer else ""
        return contents if isinstance(contents, str) else str(contents["value"])

    def ask(self, method: str, **params: Any) -> Any:
        """The answer to a request."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        while (answer := self._take()).get("id") != self._last or "method" in answer:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    @staticmethod
    def _place(file: Path, line: int, column: int) -> dict[str, Any]:
        return {"textDocument": {"uri": file.as_uri()}, "position": {"line": line - 1, "character": column - 1}}

    def _tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _take(self) -> dict[str, Any]:
        """The next message; what the server asks of an editor is answered."""
        message = self._said.get(timeout=PATIENCE)
        assert message is not None, f"the language server ended with {self._process.wait()}"
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            wanted = message["params"].get("items") if message["method"] == "workspace/configuration" else None
            result = [SETTINGS.get(item.get("section", ""), {}) for item in wanted] if wanted else None
            self._send({"id": message["id"], "result": result})
        return message

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(ValueError):  # closed under our hands, at the end
            while header := stream.readline():
                length = int(header.partition(b":")[2])
                while stream.readline().strip():
                    pass
                self._said.put(json.loads(stream.read(length)))
        self._said.put(None)


class Editor:
    """Files that open with the line that names the schema; `|` is where the cursor stands."""

    def __init__(self, server: LanguageServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._count = 0

    def wrong(self, text: str) -> list[tuple[int, str]]:
        """What is underlined: line and message."""
        found = self._server.open(self._file(text))
        return sorted((one["range"]["start"]["line"] + 1, one["message"]) for one in found)

    def offers(self, text: str) -> dict[str, dict[str, Any]]:
        """What is offered at the cursor."""
        return self._at_cursor(text, self._server.complete)

    def explains(self, text: str) -> str:
        """What is shown for the word at the cursor."""
        return self._at_cursor(text, self._server.hover)

    def _at_cursor(self, text: str, ask: Callable[[Path, int, int], Any]) -> Any:
        before = (FIRST_LINE + text).partition("|")[0]
        file = self._file(text.replace("|", "", 1))
        self._server.open(file)
        return ask(file, before.count("\n") + 1, len(before) - before.rfind("\n"))

    def _file(self, text: str) -> Path:
        self._count += 1
        file = self._folder / f"services-{self._count}.yaml"
        file.write_text(FIRST_LINE + text)
        return file


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    found = subprocess.run([str(ROOT / "scripts" / "language-server")], capture_output=True, text=True, check=False, timeout=240)
    if found.returncode:
        pytest.skip(found.stderr.strip().splitlines()[-1])
    folder = tmp_path_factory.mktemp("editor")
    schema = subprocess.run([sys.executable, "-m", "harness_core", "schema"], capture_output=True, check=True, timeout=60)
    (folder / "services.schema.json").write_bytes(schema.stdout)
    with LanguageServer([found.stdout.strip(), "--stdio"], folder) as server:
        yield Editor(server, folder)
