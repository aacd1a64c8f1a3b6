from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_core.config.interpolate import Interpolated, interpolate
from harness_core.config.load import load
from harness_core.config.nodes import Pairs, Scalar
from harness_core.template import references, render


def run(text: str, *, strict: bool = False, **values: str) -> Interpolated:
    quoted = "'" + text.replace("'", "''") + "'"
    root, problems = load(f"a: {quoted}\n", file="f")
    assert not problems
    assert root is not None
    return interpolate(root, values=values, strict=strict)


def text_of(result: Interpolated) -> str:
    node = result.root.get("a")
    assert isinstance(node, Scalar)
    return node.text


@pytest.mark.parametrize(
    ("written", "literal"),
    [
        ("${A}", "one"),
        ("x${A}y${A}", "xoneyone"),
        ("${NO:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${A:-two}", "one"),
        ("${NO:-${ALSO_NO:-deep}}", "deep"),
        ("${NO:-${A}!}", "one!"),
        ("${NO:-}", ""),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$A", "$A"),
        ("cost: 5$", "cost: 5$"),
        ("$(date)", "$(date)"),
        ("$$$${A}", "$${A}"),
        ("${EMPTY}", ""),
        ("${A:?no}", "one"),
        ("${NO:-a:b?c}", "a:b?c"),
    ],
)
def test_variables_become_text(written: str, literal: str) -> None:
    result = run(written, A="one", EMPTY="")

    assert render(text_of(result), str) == literal
    assert result.problems == []


def test_references_stay_for_the_engine() -> None:
    assert text_of(run("http://${db.host}:${my-db.port.http}/$${db.port}")) == "http://${db.host}:${my-db.port.http}/$${db.port}"


def test_a_value_never_becomes_a_reference() -> None:
    template = text_of(run("${A}", A="${db.port} $$ $"))

    assert list(references(template)) == []
    assert render(template, str) == "${db.port} $$ $"


def test_an_unset_variable_is_empty_with_a_warning_and_an_error_when_strict() -> None:
    loose, strict = run("x${NO}${NO}"), run("x${NO}${NO}", strict=True)

    assert text_of(loose) == "x"
    assert [(p.severity, p.kind, p.path) for p in loose.problems] == [("warning", "config.unset-variable", "a")]
    assert [p.severity for p in strict.problems] == ["error"]
    assert strict.problems[0].message == "the variable NO is not set"


def test_a_required_variable_says_its_message() -> None:
    problem = run("${NO:?set it in .env}").problems[0]

    assert (problem.severity, problem.message) == ("error", "NO: set it in .env")
    assert run("${EMPTY:?}", EMPTY="").problems[0].message == "EMPTY: must be set"


@pytest.mark.parametrize(
    "written", ["${", "${A", "${A:-x", "${}", "${A:+x}", "${a-b}", "${x%.*}", "${Db.port}", "${db.prt}", "${A:-" * 40]
)
def test_what_can_not_be_resolved_is_an_error_with_a_hint(written: str) -> None:
    problems = run(written, A="1").problems

    assert [problem.kind for problem in problems] == ["config.variable"]
    assert problems[0].position is not None


def test_only_whole_variables_may_become_numbers() -> None:
    def is_variable(text: str) -> bool:
        node = run(text, A="5").root.get("a")
        assert isinstance(node, Scalar)
        return node.variable

    assert [is_variable(t) for t in ("${A}", "${NO:-7}", "1${A}", "${A}${A}", "${db.port}", "5")] == [True, True, *[False] * 4]


def test_keys_are_left_alone() -> None:
    root, _ = load("'${A}': 1\n", file="f")
    assert root is not None

    assert list(interpolate(root, values={"A": "x"}, strict=True).root.pairs) == ["${A}"]


def test_values_of_secret_variables_are_remembered() -> None:
    assert run("${DB_PASSWORD:-s3cr$et}${OTHER:-x}").secrets == {"s3cr$et"}


def test_one_alias_for_many_places_is_resolved_once() -> None:
    root, _ = load("x: &x {v: '${NO}'}\n" + "\n".join(f"k{i}: *x" for i in range(50)), file="f")
    assert root is not None

    result = interpolate(root, values={}, strict=True)

    assert len(result.problems) == 1
    assert isinstance(result.root.get("k3"), Pairs)


@given(st.text(alphabet="$${}:-?.Aa b_db.port", max_size=60), st.text(max_size=10))
def test_nothing_that_is_written_makes_it_raise(text: str, value: str) -> None:
    result = run(text.replace("\n", " "), A=value, b=value)

    assert isinstance(text_of(result), str)


@given(st.text(max_size=30))
def test_every_value_arrives_as_it_is(value: str) -> None:
    assert render(text_of(run("${A}", A=value)), str) == value
