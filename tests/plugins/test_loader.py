"""Broken plugins are rows with a distribution, a version and a cause; nobody else is hurt."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from harness_core import API_VERSION
from harness_core.plugins import BrokenPlugin, Catalog, PluginMissing, discover

Install = Callable[..., None]
_numbers = itertools.count()

OFFER = """
from harness_core.contracts import Offer
from harness_core.hookspecs import hookimpl


def create(context):
    raise AssertionError("nobody asked for it")


def offer(name, **changes):
    return Offer(name=name, summary="for a test", create=create, **changes)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution with one entry point: `install("podman", code, version="1.2")` is harness-plugin-podman."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("HARNESS_DISABLE_PLUGINS", raising=False)

    def install(name: str, code: str, *, version: str = "1.0", distribution: str | None = None) -> None:
        # A name of its own for each module: what was imported once stays imported.
        module = f"kit_plugin_{name.replace('-', '_')}_{next(_numbers)}"
        (tmp_path / f"{module}.py").write_text(OFFER + textwrap.dedent(code))
        distribution = distribution or f"harness-plugin-{name}"
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[harness.plugins]\n{name} = {module}\n")

    return install


@pytest.fixture
def good(install: Install) -> None:
    """A plugin with which nothing is wrong."""
    install("good", '@hookimpl\ndef harness_executors():\n    return [offer("good")]\n')


def row(catalog: Catalog, distribution: str) -> BrokenPlugin:
    rows = [broken for broken in catalog.broken if broken.distribution == distribution]
    assert len(rows) == 1, catalog.broken
    return rows[0]


def test_a_plugin_is_found_and_its_offers_are_in_the_catalog(good: None) -> None:
    catalog = discover()

    offer = catalog.require("executor", "good")
    assert catalog.executors["good"] is offer
    assert catalog.distribution_of(offer) == "harness-plugin-good"
    assert [p.version for p in catalog.plugins if p.distribution == "harness-plugin-good"] == ["1.0"]


FUTURE_MAJOR, FUTURE_MINOR = (API_VERSION[0] + 1, 0), (API_VERSION[0], API_VERSION[1] + 1)
BROKEN = {
    "raises at import": ("raise RuntimeError('no such engine\\nsecond line')", "RuntimeError: no such engine"),
    "syntax error": ("def f(:", "SyntaxError"),
    "import error": ("import a_module_that_is_nowhere", "No module named 'a_module_that_is_nowhere'"),
    "exits at import": ("import sys; sys.exit(3)", "called sys.exit(3)"),
    "raises in its hook": ("@hookimpl\ndef harness_executors():\n    raise KeyError('x')", "KeyError: 'x'"),
    "exits in its hook": ("@hookimpl\ndef harness_executors():\n    raise SystemExit('enough')", "called sys.exit(enough)"),
    "async hook": ("@hookimpl\nasync def harness_executors():\n    return []", "harness_executors is an async function"),
    "hook with arguments": ("@hookimpl\ndef harness_executors(config):\n    return []", "Argument(s) {'config'} are declared"),
    "hook wrapper": ("@hookimpl(wrapper=True)\ndef harness_layers():\n    return (yield)", "hook wrapper"),
    "one offer": ("@hookimpl\ndef harness_executors():\n    return offer('a')", "return a list: [OFFER]"),
    "nothing": ("@hookimpl\ndef harness_executors():\n    return None", "returned NoneType, not a list of offers"),
    "a stranger": ("@hookimpl\ndef harness_executors():\n    return [object()]", "not an Offer"),
    "future major": (
        f"@hookimpl\ndef harness_executors():\n    return [offer('bad', api={FUTURE_MAJOR})]",
        f"written for plugin API {FUTURE_MAJOR[0]}.0, this harness has 1.0; upgrade harness-services",
    ),
    "future minor": (
        f"@hookimpl\ndef harness_executors():\n    return [offer('bad', api={FUTURE_MINOR})]",
        f"written for plugin API 1.{FUTURE_MINOR[1]}",
    ),
    "past major": ("@hookimpl\ndef harness_executors():\n    return [offer('bad', api=(0, 9))]", "upgrade the plugin"),
    "api of another shape": ("@hookimpl\ndef harness_executors():\n    return [offer('bad', api='1.0')]", "pair of numbers"),
    "bad name": ("@hookimpl\ndef harness_executors():\n    return [offer('Bad name')]", "'Bad name' can't be a name"),
    "schema of no kind": ("@hookimpl\ndef harness_executors():\n    return [offer('bad', schema='object')]", "schema must be"),
    "invalid schema": (
        "@hookimpl\ndef harness_executors():\n    return [offer('bad', schema={'type': 'objekt'})]",
        "its schema is not a JSON Schema",
    ),
    "claims a core key": (
        "@hookimpl\ndef harness_executors():\n"
        "    return [offer('bad', schema={'type': 'object', 'properties': {'restart': {'type': 'string'}}})]",
        "restart",
    ),
    "unknown capability": ("@hookimpl\ndef harness_executors():\n    return [offer('bad', capabilities={'fly'})]", "fly"),
    "create is nothing": (
        "@hookimpl\ndef harness_executors():\n    return [Offer(name='bad', summary='', create=None)]",
        "create must be a function",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_is_named_and_nobody_else_is_hurt(how: str, install: Install, good: None) -> None:
    code, cause = BROKEN[how]
    install("bad", code, version="2.3")

    catalog = discover()

    broken = row(catalog, "harness-plugin-bad")
    assert cause in broken.cause
    assert "\n" not in broken.cause
    assert (broken.version, broken.entry_point) == ("2.3", "bad")
    assert catalog.find("executor", "good") is not None
    assert catalog.find("executor", "bad") is None


@pytest.mark.parametrize("how", ["raises at import", "exits at import", "future major", "invalid schema", "async hook"])
def test_whoever_needs_a_broken_plugin_hears_its_cause(how: str, install: Install) -> None:
    code, cause = BROKEN[how]
    install("bad", code, version="2.3")

    with pytest.raises(PluginMissing) as caught:
        discover().require("executor", "bad")

    assert "harness-plugin-bad 2.3 is broken: " in caught.value.message
    assert cause in caught.value.message


def test_of_one_plugin_only_the_broken_offer_is_lost(install: Install) -> None:
    install(
        "half",
        """
        @hookimpl
        def harness_executors():
            return [offer("whole"), offer("half", api=(9, 0))]

        @hookimpl
        def harness_layers():
            raise RuntimeError("no layers today")
        """,
    )

    catalog = discover()

    assert catalog.find("executor", "whole") is not None
    assert {b.cause.split(":")[0] for b in catalog.broken if b.distribution == "harness-plugin-half"} == {"half", "RuntimeError"}


def test_of_two_plugins_with_one_name_both_are_named_and_neither_wins(install: Install, good: None) -> None:
    same = '@hookimpl\ndef harness_executors():\n    return [offer("same"), offer("{own}")]\n'
    install("one", same.format(own="only-one"))
    install("other", same.format(own="only-other"), version="7.0")

    catalog = discover()

    for distribution in ("harness-plugin-one", "harness-plugin-other"):
        cause = row(catalog, distribution).cause
        assert "executor 'same' is offered by harness-plugin-one 1.0 and harness-plugin-other 7.0" in cause
    assert catalog.find("executor", "same") is None
    assert {"good", "only-one", "only-other"} <= catalog.executors.keys()
    with pytest.raises(PluginMissing, match="name clash"):
        catalog.require("executor", "same")


def test_an_alias_that_is_somebody_else_s_name_is_a_clash(install: Install) -> None:
    install("one", '@hookimpl\ndef harness_layers():\n    return [offer("one")]\n')
    install("thief", '@hookimpl\ndef harness_layers():\n    return [offer("thief", aliases=("one",))]\n')

    catalog = discover()

    assert {"harness-plugin-one", "harness-plugin-thief"} <= {b.distribution for b in catalog.broken}
    assert not {"one", "thief"} & catalog.layers.keys()


def test_one_name_in_two_kinds_is_no_clash(install: Install) -> None:
    install(
        "both",
        """
        @hookimpl
        def harness_layers():
            return [offer("b")]

        @hookimpl
        def harness_executors():
            return [offer("b")]
        """,
    )

    catalog = discover()

    assert catalog.find("layer", "b") is not None
    assert catalog.find("executor", "b") is not None


def test_an_alias_finds_the_offer(install: Install) -> None:
    install("ssh", '@hookimpl\ndef harness_executors():\n    return [offer("kit-ssh", aliases=("kit-remote",))]\n')

    catalog = discover()

    assert catalog.require("executor", "kit-remote") is catalog.executors["kit-ssh"]
    assert "kit-remote" not in catalog.executors


def test_an_unknown_hook_is_a_warning_that_names_what_was_meant(install: Install) -> None:
    install("typo", '@hookimpl\ndef harness_executor():\n    return [offer("x")]\n')

    catalog = discover()

    plugin = next(p for p in catalog.plugins if p.distribution == "harness-plugin-typo")
    assert plugin.warnings == ("unknown hook harness_executor, never called; did you mean harness_executors?",)
    assert catalog.find("executor", "x") is None


def test_a_plugin_without_hooks_is_a_warning(install: Install) -> None:
    install("empty", "")

    catalog = discover()

    plugin = next(p for p in catalog.plugins if p.distribution == "harness-plugin-empty")
    assert "implements no hook" in plugin.warnings[0]


@pytest.mark.parametrize("word", ["harness-plugin-bad", "bad", "Harness_Plugin.Bad", "x, bad ,y"])
def test_a_disabled_plugin_is_never_imported(word: str, install: Install, good: None, monkeypatch: pytest.MonkeyPatch) -> None:
    install("bad", "raise AssertionError('imported')")
    monkeypatch.setenv("HARNESS_DISABLE_PLUGINS", word)

    catalog = discover()

    assert not [b for b in catalog.broken if b.distribution == "harness-plugin-bad"]
    assert "harness-plugin-bad" in {d.distribution for d in catalog.disabled}
    assert catalog.find("executor", "good") is not None
    with pytest.raises(PluginMissing, match="harness-plugin-bad is disabled"):
        catalog.require("executor", "bad")


def test_disabling_one_of_two_with_one_name_rescues_the_other(install: Install) -> None:
    for name in ("one", "other"):
        install(name, '@hookimpl\ndef harness_executors():\n    return [offer("same")]\n')

    catalog = discover(disabled=["other"])

    offer = catalog.require("executor", "same")
    assert catalog.distribution_of(offer) == "harness-plugin-one"


def test_an_invalid_schema_is_not_looked_for_when_nobody_asks(install: Install) -> None:
    code, _ = BROKEN["invalid schema"]
    install("bad", code)

    assert discover(check_schemas=False).find("executor", "bad") is not None


def test_entry_points_may_be_given(install: Install, good: None) -> None:
    install("other", '@hookimpl\ndef harness_executors():\n    return [offer("other")]\n')
    given = [e for e in entry_points(group="harness.plugins") if e.name == "other"]

    assert set(discover(entry_points=given).executors) == {"other"}


def test_damaged_metadata_does_not_hinder_anybody(install: Install, good: None, tmp_path: Path) -> None:
    install("damaged", '@hookimpl\ndef harness_executors():\n    return [offer("damaged")]\n')
    (tmp_path / "harness_plugin_damaged-1.0.dist-info" / "METADATA").unlink()

    assert discover().find("executor", "good") is not None
