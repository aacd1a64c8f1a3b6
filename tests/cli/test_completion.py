"""Completion: what is offered, and that real shells offer it."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from harness_core.cli.main import COMMANDS, main

CONFIG = """\
version: "1.0"
name: shop
services:
  api: { type: process, command: x }
  api-worker: { type: process, command: x, profiles: [night, debug] }
  db: { type: process, command: x }
"""
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def shop(harness):
    harness.write(CONFIG)
    return harness


def offered(harness, words: str, *, shell: str = "fish") -> list[str]:
    """The candidates for the last of these words, without their descriptions."""
    done = harness.run(*shlex.split(words), env={"_HARNESS_COMPLETE": shell})
    assert (done.code, done.err) == (0, "")
    return [line.partition("\t")[0] for line in done.out.splitlines()]


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        ("re", ["restart", "registry"]),
        ("registry ''", ["list", "resolve", "watch"]),
        ("logs a", ["api", "api-worker"]),
        ("logs api ''", ["api-worker", "db"]),
        ("why d", ["db"]),
        ("env get -s d", ["db"]),
        ("registry resolve db --from a", ["api", "api-worker"]),
        ("graph --format ''", ["text", "mermaid", "dot", "json"]),
        ("graph --format=m", ["--format=mermaid"]),
        ("up --profile ''", ["debug", "night"]),
        ("completion ''", ["bash", "zsh", "fish"]),
        ("status --wa", ["--watch"]),
        ("-f ''", [":files"]),
        ("status --file serv", [":files"]),
        ("version x", []),
        ("signal api US", ["USR1", "USR2"]),
    ],
)
def test_the_last_word_is_completed(shop, words, candidates):
    assert offered(shop, words) == candidates


def test_without_a_word_every_command_is_offered_and_described_and_none_is_imported(shop):
    described = shop.run("", env={"_HARNESS_COMPLETE": "fish"})

    assert [line.split("\t") for line in described.out.splitlines()] == [[name, text] for name, text in COMMANDS.items()]


def test_bash_gets_what_comes_after_the_equals_sign_which_is_a_word_of_its_own_there(shop):
    assert offered(shop, "graph --format = m", shell="bash") == ["mermaid"]
    assert offered(shop, "graph --format =", shell="bash") == ["text", "mermaid", "dot", "json"]
    assert offered(shop, "logs '\"a'", shell="bash") == ["api", "api-worker"]


def test_another_file_is_where_its_services_come_from(shop):
    shop.write("services: { web: { type: process, command: x } }\n", "other.yaml")
    shop.write("include: other.yaml\nservices: { more: { type: process, command: x } }\n", "third.yaml")

    assert offered(shop, "-f other.yaml logs ''") == ["web"]
    assert offered(shop, "-f third.yaml logs ''") == ["more", "web"]
    assert offered(shop, "-f services.yaml -f other.yaml logs ''") == ["api", "api-worker", "db", "web"]


@pytest.mark.parametrize("text", [None, "services: [\n", "services: 5\n", "a: &a [*a]\n", "\0", "services: {api: {"], ids=repr)
def test_a_configuration_that_can_not_be_read_offers_nothing_and_says_nothing(harness, text):
    if text is not None:
        harness.write(text)

    assert offered(harness, "logs ''") == []
    assert offered(harness, "up --profile ''") == []
    assert not harness.state_dir.exists(), "no daemon was started"


def test_it_imports_little(shop):
    program = (
        "import os, sys\nos.environ['_HARNESS_COMPLETE'] = 'bash'\n"
        "from harness_core.cli.main import main\nmain(['logs', 'a'])\nprint(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [shutil.which("python", path=shop.env["PATH"]) or "python", "-c", program],
        capture_output=True, text=True, env=shop.env, cwd=shop.project, check=True, timeout=60,
    )  # fmt: skip

    assert done.stdout == "api\napi-worker\n"
    heavy = {"ssl", "asyncio", "jsonschema", "pluggy", "rich", "harness_core.plugins", "harness_core.client", "subprocess"}
    assert not heavy & set(done.stderr.split())


# --- real shells ------------------------------------------------------------------------------------------------------


def need(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_takes(capsys, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out

    done = subprocess.run([need(shell), "-n"], input=script, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("harness", "logs", "a"), ["api", "api-worker"]),
        (("harness", "graph", "--format", "=", "do"), ["dot"]),
        (("harness", "val"), ["validate"]),
        (("harness", "logs", "zz"), []),
    ],
    ids=" ".join,
)
def test_bash_fills_its_reply(shop, words, reply):
    program = f"""
        eval "$(harness completion bash)"
        COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}
        _harness harness
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """

    done = subprocess.run(
        [need("bash"), "--norc", "-c", program],
        capture_output=True, text=True, env=shop.env, cwd=shop.project, check=True, timeout=60,
    )  # fmt: skip

    assert done.stdout.split() == reply
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("harness logs a", ["api", "api-worker"]),
        ("harness graph --format=d", ["--format=dot"]),
        ("harness logs api ", ["api-worker", "db"]),
        ("harness -f serv", ["services.yaml"]),
    ],
)
def test_fish_completes_a_line(shop, line, candidates):
    program = f"harness completion fish | source; complete -C {shlex.quote(line)}"

    done = subprocess.run(
        [need("fish"), "--no-config", "-c", program],
        capture_output=True, text=True, env=shop.env, cwd=shop.project, check=True, timeout=60,
    )  # fmt: skip

    assert [one.partition("\t")[0] for one in done.stdout.splitlines()] == candidates
    assert done.stderr == ""


PROMPTS = {"bash": ("bash", "--norc", "-i"), "zsh": ("zsh", "-f", "-i")}


@pytest.mark.parametrize("shell", PROMPTS)
def test_tab_completes_at_a_prompt(shop, shell):
    need(shell)
    terminal = shop.in_terminal(*PROMPTS[shell])

    terminal.press(f"eval \"$(harness completion {shell})\"; echo lo''aded\n")
    terminal.expect(r"\nloaded\n", within=60)
    terminal.press("harness grap\td\t--form\tdo\t; exit 7\n")

    assert terminal.wait(within=60) == 7
    assert 'digraph "shop" {\n' in terminal.plain
    assert '"db" [label=' in terminal.plain
    assert '"api" [label=' not in terminal.plain


@pytest.mark.parametrize("shell", PROMPTS)
def test_a_broken_configuration_leaves_the_line_as_it_is(harness, shell):
    need(shell)
    harness.write("services: [\n")
    terminal = harness.in_terminal(*PROMPTS[shell])

    terminal.press(f"eval \"$(harness completion {shell})\"; echo lo''aded\n")
    terminal.expect(r"\nloaded\n", within=60)
    terminal.press("echo() { printf '<%s>' \"$*\"; }; alias harness=echo\n")
    terminal.press("harness logs a\tEND; exit 7\n")

    assert terminal.wait(within=60) == 7
    assert "<logs aEND>" in terminal.plain
    assert "error" not in terminal.plain
