from __future__ import annotations

import pytest

from harness_core.config.problem import InvalidConfig
from harness_core.contracts.errors import ConfigError
from harness_core.daemon import settings
from harness_core.daemon.settings import Settings


def read(tmp_path, text):
    (tmp_path / "daemon.yaml").write_text(text)
    return settings.read(tmp_path / "daemon.yaml")


def problems(tmp_path, text):
    with pytest.raises(InvalidConfig) as error:
        read(tmp_path, text)
    return error.value.problems


def test_without_a_file_the_defaults_hold(tmp_path):
    assert settings.read(tmp_path / "daemon.yaml") == Settings("sqlite", {}, ("127.0.0.1", 0), 60.0)


def test_everything_can_be_said(tmp_path):
    text = "registry: { type: etcd, endpoints: [a, b], tls: true }\nlisten: '[::1]:7070'\nidle_timeout: 2m\nx-mine: 1\n"

    assert read(tmp_path, text) == Settings("etcd", {"endpoints": ["a", "b"], "tls": True}, ("::1", 7070), 120.0)


def test_every_mistake_is_told_with_its_place(tmp_path):
    unknown, listen, idle, registry = problems(
        tmp_path, "listne: 127.0.0.1:1\nlisten: nowhere\nidle_timeout: soon\nregistry: sqlite\n"
    )

    assert (unknown.kind, unknown.hint, unknown.position.line) == ("config.unknown-key", "did you mean 'listen'?", 1)
    assert "expected HOST:PORT" in listen.message
    assert listen.position.line == 2
    assert idle.position.line == 3
    assert "mapping" in registry.message


@pytest.mark.parametrize("text", ["a: [", "- list", "a: 1\na: 2"])
def test_what_is_not_a_mapping_in_yaml_is_told(tmp_path, text):
    assert problems(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "daemon.yaml").mkdir()

    with pytest.raises(ConfigError, match=r"daemon\.yaml"):
        settings.read(tmp_path / "daemon.yaml")


@pytest.mark.parametrize("text", ["", ":1", "host", "host:", "host:x", "host:65536", "host:-1", "host:²"])
def test_addresses_that_are_none(text):
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        settings.parse_listen(text)
