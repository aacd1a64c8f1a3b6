"""What the catalog says about names that nobody offers."""

from __future__ import annotations

import json

import pytest

from harness_core.contracts import Offer
from harness_core.plugins import BrokenPlugin, Catalog, DisabledPlugin, Kind, PluginMissing
from harness_core.testing import catalog_of


def offer(name: str, *aliases: str) -> Offer:
    return Offer(name=name, summary="for a test", create=lambda context: None, aliases=aliases)


def test_what_is_installed_is_listed_for_an_unknown_type() -> None:
    catalog = catalog_of(executors=[offer("process"), offer("docker"), offer("ssh")])

    with pytest.raises(PluginMissing) as caught:
        catalog.require("executor", "podman")

    assert caught.value.message == "no executor 'podman'; installed: docker, process, ssh"
    assert caught.value.kind == "plugin.missing"
    assert caught.value.hint is None


def test_nothing_installed_is_said_so() -> None:
    assert Catalog().missing("health_check", "grpc").message == "no health check 'grpc'; no health check is installed"


@pytest.mark.parametrize(
    ("kind", "name", "distribution"),
    [
        ("executor", "process", "harness-plugin-process"),
        ("layer", "sudo", "harness-plugin-layers"),
        ("health_check", "http", "harness-plugin-health"),
        ("registry_backend", "sqlite", "harness-plugin-sqlite"),
    ],
)
def test_our_own_names_come_with_the_command_that_installs_them(kind: str, name: str, distribution: str) -> None:
    assert Catalog().missing(kind, name).hint == f"pip install {distribution}"


def test_a_stranger_s_name_never_comes_with_a_command_that_installs_something() -> None:
    assert Catalog().missing("executor", "podman").hint is None


def test_a_typo_gets_a_suggestion() -> None:
    catalog = catalog_of(layers=[offer("sudo")])

    assert catalog.missing("layer", "sduo").hint == "did you mean 'sudo'?"


def test_a_broken_plugin_of_ours_is_named_for_each_of_its_names() -> None:
    broken = BrokenPlugin("harness-plugin-layers", "0.1.0", "layers", "ImportError: x", ("layers",))

    error = catalog_of(broken=[broken]).missing("layer", "sudo")

    assert error.message == "no layer 'sudo': plugin harness-plugin-layers 0.1.0 is broken: ImportError: x"


def test_a_broken_offer_of_another_kind_is_not_blamed() -> None:
    broken = BrokenPlugin("harness-plugin-x", "1", "x", "too new", ("x",), Kind.LAYER)

    assert "broken" not in catalog_of(broken=[broken]).missing("executor", "x").message


def test_a_catalog_goes_through_json() -> None:
    catalog = Catalog(
        plugins=catalog_of(executors=[offer("process", "proc")]).plugins,
        broken=(BrokenPlugin("harness-plugin-x", "1", "x", "too new", ("x",), Kind.LAYER),),
        disabled=(DisabledPlugin("harness-plugin-y", "2", "y"),),
    )

    body = json.loads(json.dumps(catalog.to_json()))

    assert body["plugins"][0]["offers"][0]["name"] == "process"
    assert body["plugins"][0]["offers"][0]["aliases"] == ["proc"]
    assert body["broken"][0]["cause"] == "too new"
    assert body["broken"][0]["kind"] == "layer"
    assert body["disabled"] == [{"distribution": "harness-plugin-y", "version": "2", "entry_point": "y"}]
