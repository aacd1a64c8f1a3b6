from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness_core.config.bundle import Bundle
from harness_core.config.gather import gather
from harness_core.config.identity import FILE_NAMES
from harness_core.config.problem import ConfigNotFound, InvalidConfig

ENV = {"PATH": "/bin", "HOME": "/home/me", "LC_ALL": "C", "EDITOR": "vi", "A": "from-environment", "B": "b", "UNUSED": "u"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "services.yaml").write_text("services: {}\n")
    return tmp_path


@pytest.mark.parametrize("name", FILE_NAMES)
def test_the_file_is_found_here_and_from_below(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("services: {}\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    for cwd in (tmp_path, below):
        assert gather(None, cwd=cwd, environ=ENV).files[0].path == str(tmp_path / name)


def test_no_file_is_an_error_that_says_what_was_looked_for_and_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigNotFound) as raised:
        gather(None, cwd=tmp_path, environ=ENV)

    assert raised.value.kind == "config.not-found"
    assert all(word in raised.value.message for word in (*FILE_NAMES, str(tmp_path), "parent folders"))


def test_a_named_file_or_folder_is_taken(folder: Path) -> None:
    other = folder / "other.yaml"
    other.write_text("services: {}\n")

    assert gather(Path("other.yaml"), cwd=folder, environ=ENV).files[0].path == str(other)
    assert gather(folder, cwd=Path("/"), environ=ENV).files[0].path == str(folder / "services.yaml")
    with pytest.raises(ConfigNotFound, match=r"no such file: .*/nope.yaml"):
        gather(Path("nope.yaml"), cwd=folder, environ=ENV)


def test_a_link_leads_to_the_same_project(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder / "services.yaml")

    assert gather(tmp_path / "link", cwd=tmp_path, environ=ENV).files[0].path == str(folder / "services.yaml")


def test_only_variables_that_are_mentioned_come_along_and_the_environment_wins(folder: Path) -> None:
    (folder / ".env").write_text("A=from-file\nC=${B}c\nD=d\n")
    (folder / "services.yaml").write_text("name: '${A}${C:-${B}}${NO}'\n")

    bundle = gather(None, cwd=folder, environ=ENV)

    assert bundle.variables == {"A": "from-environment", "B": "b", "C": "bc"}


def test_the_base_environment_and_what_inherit_env_names(folder: Path) -> None:
    assert gather(None, cwd=folder, environ=ENV).environment == {"PATH": "/bin", "HOME": "/home/me", "LC_ALL": "C"}

    (folder / "services.yaml").write_text("services: {a: {inherit_env: [EDITOR]}, b: {inherit_env: false}}\n")
    assert set(gather(None, cwd=folder, environ=ENV).environment) == {"PATH", "HOME", "LC_ALL", "EDITOR"}

    (folder / "services.yaml").write_text("services: {a: {inherit_env: yes}}\n")
    assert gather(None, cwd=folder, environ=ENV).environment == ENV


def test_env_files_are_read_wherever_they_are_and_what_they_mention(folder: Path) -> None:
    (folder / "one.env").write_text("X=${UNUSED}\n")
    (folder / "services.yaml").write_text(
        "x-d: &d {env_file: one.env}\nservices:\n  a: {<<: *d}\n  b: {env_file: ['${B}.env', ~/three.env]}\n"
    )

    bundle = gather(None, cwd=folder, environ=ENV)

    assert set(bundle.env_files) == {str(folder / "one.env"), str(folder / "b.env"), "/home/me/three.env"}
    assert bundle.env_files[str(folder / "one.env")].text == "X=${UNUSED}\n"
    assert bundle.env_files[str(folder / "b.env")].error == "No such file or directory"
    assert bundle.variables == {"B": "b", "UNUSED": "u"}


def test_files_that_can_not_be_read_are_recorded(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "latin").write_bytes(b"A=1\nB=\xe9\n")
    (folder / "large").write_bytes(b"#" * (1 << 21))
    (folder / "services.yaml").write_text("services: {a: {env_file: [fifo, latin, large, .]}}\n")

    errors = {Path(path).name: source.error for path, source in gather(None, cwd=folder, environ=ENV).env_files.items()}

    assert errors == {
        "fifo": "not a regular file",
        "latin": "not UTF-8 in line 2",
        "large": "larger than 1024 KiB",
        folder.name: "Is a directory",
    }


def test_a_configuration_in_utf_16_says_so(folder: Path) -> None:
    (folder / "services.yaml").write_bytes("services: {}".encode("utf-16"))

    assert "UTF-16" in str(gather(None, cwd=folder, environ=ENV).files[0].error)


def test_a_wrong_line_in_dotenv_is_an_error_with_its_place(folder: Path) -> None:
    (folder / ".env").write_text("A=1\nthis is wrong\n")

    with pytest.raises(InvalidConfig) as raised:
        gather(None, cwd=folder, environ=ENV)

    assert str(raised.value.problems[0].position) == f"{folder}/.env:2:1"


def test_a_broken_file_is_still_gathered(folder: Path) -> None:
    (folder / "services.yaml").write_text("services: {a: {env_file: [\n")

    assert gather(None, cwd=folder, environ=ENV).env_files == {}


def test_a_bundle_survives_the_wire(folder: Path) -> None:
    (folder / "services.yaml").write_text("name: '${A}'\nservices: {a: {env_file: x}}\n")
    bundle = gather(None, cwd=folder, environ=ENV, project="p", strict=True)

    assert Bundle.from_json(bundle.to_json()) == bundle


def test_gathering_does_not_import_jsonschema(folder: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from harness_core.config.gather import gather; "
        f"gather(None, cwd=Path({str(folder)!r}), environ=os.environ); "
        "sys.exit(any(name.split('.')[0] in ('jsonschema', 'asyncio') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
