"""Which project a configuration stands for: found without parsing, and always what parsing says."""

from __future__ import annotations

import pytest

from harness_core.config.gather import gather
from harness_core.config.identity import identify
from harness_core.config.problem import ConfigNotFound
from harness_core.config.validate import parse
from harness_core.plugins import Catalog


@pytest.mark.parametrize(
    "top",
    [
        "name: shop",
        'name: "shop"  # a comment',
        "name:   shop-2.x",
        "# first\n\n---\nname: shop",
        "version: '1.0'",
        "name: ${PROJECT:-fallback}",
        "name: ${FROM_DOTENV}",
        "'name': shop",
        "name: >\n  shop",
        "x-note:\n  name: other\nname: shop",
        "description: |\n  name: other",
    ],
)
def test_the_id_is_the_one_that_parsing_gives(tmp_path, top):
    folder = tmp_path / "My Project"
    folder.mkdir()
    (folder / ".env").write_text("FROM_DOTENV=from-dotenv\n")
    file = folder / "services.yaml"
    file.write_text(top + "\nservices: {}\n")
    environ = {"HOME": str(tmp_path)}

    parsed = parse(gather(file, cwd=tmp_path, environ=environ), Catalog())

    assert identify(file, cwd=tmp_path, environ=environ, project=None) == parsed.project.id


def test_a_subfolder_means_the_project_above(tmp_path):
    (tmp_path / "services.yaml").write_text("name: shop\nservices: {}\n")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)

    assert identify(None, cwd=deep, environ={}, project=None) == identify(None, cwd=tmp_path, environ={}, project=None)


def test_two_checkouts_are_two_projects(tmp_path):
    ids = set()
    for checkout in ("one", "two"):
        (tmp_path / checkout).mkdir()
        (tmp_path / checkout / "services.yaml").write_text("name: shop\n")
        ids.add(identify(None, cwd=tmp_path / checkout, environ={}, project=None))

    assert len(ids) == 2
    assert all(id.startswith("shop-") for id in ids)


def test_a_project_that_is_named_needs_no_file(tmp_path):
    assert identify(None, cwd=tmp_path, environ={}, project="shop") == "shop"


def test_without_a_file_the_error_says_what_was_looked_for(tmp_path):
    with pytest.raises(ConfigNotFound, match=r"services\.yaml.*in .*parent folders"):
        identify(None, cwd=tmp_path, environ={}, project=None)
