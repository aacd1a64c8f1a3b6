from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness_core.config.load import MAX_BYTES, MAX_DEPTH, load
from harness_core.config.nodes import Items, Pairs, Scalar, natural

LOADERS = [pytest.param(yaml.SafeLoader, id="python")]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(pytest.param(yaml.CSafeLoader, id="C"))


def root_of(text: str) -> Pairs:
    root, problems = load(text, file="f")
    assert not problems
    assert root is not None
    return root


def wrong(text: str, loader: Any = yaml.SafeLoader) -> list[str]:
    _, problems = load(text, file="f", loader=loader)
    return [f"{problem.position}: {problem.message}" for problem in problems]


@pytest.mark.parametrize("loader", LOADERS)
def test_keys_and_values_remember_their_place(loader: Any) -> None:
    root, _ = load("a:\n  - 'x'\n  - b: 5\n", file="f", loader=loader)

    assert root is not None
    key, items = root.pairs["a"]
    assert isinstance(items, Items)
    inner = items.items[1]
    assert isinstance(inner, Pairs)
    value = inner.get("b")
    assert value is not None
    assert [(n.line, n.column) for n in (key, items.items[0], inner.pairs["b"][0], value)] == [(1, 1), (2, 5), (3, 5), (3, 8)]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1:1: the file is empty"),
        ("# only a comment\n", "f:1:1: the file is empty"),
        ("- a\n", "f:1:1: expected keys and values at the top, found a list"),
        ("just words", "f:1:1: expected keys and values at the top, found text"),
        ("a: 1\nb:\n\t- c\n", "f:3:1: a tab can't indent YAML"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document starts here"),
        ("a: 1\nb: 2\na: 3\n", "f:3:1: 'a' is written twice; the first is in line 1"),
        ("1: x\n'1': y\n", "f:2:1: '1' is written twice; the first is in line 1"),
        ("a: *nobody\n", "f:1:4: no anchor '&nobody' before this alias"),
        ("a: &x [*x]\n", "f:1:8: '*x' stands inside the value that it refers to"),
        ("a: !!python/object/apply:os.system [id]\n", "f:1:4: the tag '!!python/object/apply:os.system' is not supported"),
        ("a: !local b\n", "f:1:4: the tag '!local' is not supported"),
        ("[a, b]: c\n", "f:1:1: a key must be a single word or text"),
        ("? \n: x\n", "f:1:2: a key is missing before ':'"),
        ("<<: 5\n", "f:1:1: '<<' takes a mapping or a list of mappings, such as `<<: *defaults`"),
        ('a: "x\\0y"\n', "f:1:4: a NUL character can't stand in a configuration"),
        ("a: \x07\n", "f:1:4: the character U+0007 can't stand in YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str, loader: Any) -> None:
    assert message in wrong(text, loader)


def test_syntax_errors_have_a_place_inside_of_the_file() -> None:
    for text in ("a: [1", 'a: "x', "a: b: c", "- a\nb: c", "a: 1\n b: 2\n", "{", "%YAML 3.0\n---\na: 1", "a: @b"):
        for loader in (yaml.SafeLoader, yaml.CSafeLoader):
            _, problems = load(text, file="f", loader=loader)
            assert len(problems) == 1, text
            assert problems[0].position is not None
            assert problems[0].position.line <= text.count("\n") + 1


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert list(root_of("\ufeffa: 1\n").pairs) == ["a"]


def test_merge_keys_take_what_is_not_written() -> None:
    root = root_of("x-d: &d {a: 1, b: 2}\nx-e: &e {b: 3, c: 4}\ns:\n  <<: [*d, *e]\n  a: 9\n")

    merged = root.get("s")
    assert isinstance(merged, Pairs)
    assert {name: natural(value) for name, (_, value) in merged.pairs.items() if isinstance(value, Scalar)} == {
        "a": 9,
        "b": 2,
        "c": 4,
    }


def test_an_alias_bomb_is_an_error_and_not_a_hang() -> None:
    levels = [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9) if i else 'lol'}]" for i in range(10)]
    started = time.monotonic()

    assert any("aliases expand to more than 10,000 values" in message for message in wrong("\n".join(levels)))
    assert time.monotonic() - started < 5


def test_a_bomb_of_merge_keys_is_an_error() -> None:
    text = "x0: &x0 {" + ", ".join(f"k{i}: v" for i in range(50)) + "}\n"
    text += "\n".join(f"y{i}: {{<<: *x0}}" for i in range(300))

    assert any("aliases expand" in message for message in wrong(text))


@pytest.mark.parametrize("loader", LOADERS)
def test_depth_and_size_are_bounded(loader: Any) -> None:
    assert wrong("a: " + "[" * 5000, loader)[-1].endswith(f"nested deeper than {MAX_DEPTH} levels")
    assert wrong("a: 1 # " + "x" * MAX_BYTES, loader) == ["f:1:1: the file is larger than 1024 KiB"]
    nested = "\n".join(f"x{i}: &x{i} " + (f"[[[[[[[[*x{i - 1}]]]]]]]]" if i else "v") for i in range(12))
    assert wrong(nested, loader)[-1].endswith(f"nested deeper than {MAX_DEPTH} levels")


def test_a_hundred_thousand_values_are_enough() -> None:
    assert "more than 100,000 keys and values" in wrong("a: [" + "1," * 110_000 + "]")[-1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("5", 5),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("yes", "yes"),
        ("on", "on"),
        ("0755", "0755"),
        ("22:22", "22:22"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("0x1F", "0x1F"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        (".", "."),
        ("1.0", 1.0),
        ("=", "="),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
    ],
)
def test_only_what_nobody_misreads_becomes_more_than_text(text: str, value: object) -> None:
    node = root_of(f"a: {text}\n").get("a")

    assert isinstance(node, Scalar)
    found = natural(node)
    assert (found, type(found)) == (value, type(value))


def test_words_of_yaml_1_1_are_keys_like_others() -> None:
    assert list(root_of("on: 1\nyes: 2\nnull: 3\n8080: 4\n").pairs) == ["on", "yes", "null", "8080"]


@pytest.mark.parametrize("loader", LOADERS)
def test_what_merge_keys_bring_counts_as_what_aliases_bring(loader: Any) -> None:
    base = "x-base: &base {{{}}}\n".format(", ".join(f"k{number}: 1" for number in range(100)))
    few = base + "a: [" + ", ".join(["{<<: *base}"] * 90) + "]\n"
    many = base + "a: [" + ", ".join(["{<<: [*base, *base]}"] * 90) + "]\n"

    assert wrong(few, loader) == []
    assert wrong(many, loader)[0].endswith("aliases expand to more than 10,000 values")


@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*<>!|'\"#\n\t %@`,?$~01 ", max_size=80))
def test_no_text_makes_it_crash(text: str) -> None:
    root, problems = load(text, file="f")

    assert root is not None or problems
