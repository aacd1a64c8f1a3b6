import pytest

from harness_core.contracts import ConfigError, ExecResult
from harness_plugin_health.command import CommandCheck, command_from


@pytest.mark.parametrize(
    ("config", "argv"),
    [
        ("pg_isready -U 'the user'", ("pg_isready", "-U", "the user")),
        (["a b", 1], ("a b", "1")),
        ({"command": "pg_isready", "args": ["-U", "postgres"]}, ("pg_isready", "-U", "postgres")),
        ({"command": ["x", "y"], "args": [5]}, ("x", "y", "5")),
        ({"command": "a | b", "shell": True}, ("/bin/sh", "-c", "a | b")),
        ({"command": 'test "$1"', "shell": True, "args": ["x"]}, ("/bin/sh", "-c", 'test "$1"', "sh", "x")),
        ("echo $HOME; rm x", ("echo", "$HOME;", "rm", "x")),
    ],
)
def test_a_string_a_list_and_a_mapping_are_commands(config, argv):
    assert command_from(config).argv == argv


def test_exit_0_is_healthy_with_its_last_words(run, target_at):
    health = run(CommandCheck().probe({"command": "echo $NAME", "shell": True, "env": {"NAME": 5}}, target_at()))

    assert (health.healthy, health.detail, health.latch) == (True, "5", False)


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("exit 3", "exit 3"),
        (r"printf '1\n2\n3\n\n4\033[31m red\033[0m\n'; exit 1", "exit 1: 2 / 3 / 4 red"),
        (r"printf '\377\0x'; exit 1", "exit 1: \ufffd x"),
        ("kill -9 $$", "ended by 9"),
    ],
)
def test_anything_else_is_unhealthy_with_its_last_words(run, target_at, line, detail):
    health = run(CommandCheck().probe({"command": line, "shell": True}, target_at()))

    assert (health.healthy, health.detail) == (False, detail)


def test_an_unknown_end_is_never_healthy(run):
    class Lost:
        async def exec(self, command):
            return ExecResult(None, b"")

    health = run(CommandCheck().probe("true", Lost()))

    assert (health.healthy, health.detail) == (False, "ended by an unknown signal")


def test_a_flood_of_output_is_cut(run, target_at):
    health = run(CommandCheck().probe({"command": "head -c 65536 /dev/zero | tr '\\0' x; exit 1", "shell": True}, target_at()))

    assert health.detail == "exit 1: …" + "x" * 399


@pytest.mark.parametrize(
    ("config", "message"), [("a 'b", "no closing quotation"), ("  ", "is empty"), ({"command": "''"}, "is empty")]
)
def test_a_command_that_cannot_be_is_a_config_error_with_a_hint(config, message):
    with pytest.raises(ConfigError, match=message) as caught:
        command_from(config)

    assert caught.value.hint


def test_its_description_has_no_environment():
    assert CommandCheck().describe({"command": "a | b", "shell": True, "env": {"P": "secret"}}) == "command a | b"
    assert CommandCheck().describe(["a b", "c"]) == "command 'a b' c"
