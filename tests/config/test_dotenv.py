from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_core.config.dotenv import parse_dotenv


def values(text: str, **known: str) -> dict[str, str]:
    found = parse_dotenv(text, file="/e", lookup=known.get)
    assert not found.problems, found.problems
    return found.values


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("  A = b  ", "b"),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ("A=b # no", "b"),
        ("A=b#yes", "b#yes"),
        ("A=#no", ""),
        ("A='b # c'", "b # c"),
        ('A="b # c" # d', "b # c"),
        (r'A="a\nb\t\"c\\ \$x \q"', 'a\nb\t"c\\ $x \\q'),
        (r"A='a\nb'", r"a\nb"),
        ("A='${B}'", "${B}"),
        ("A=${B}", "bee"),
        ('A="<${B}>"', "<bee>"),
        (r'A="\${B}"', "${B}"),
        ("A=${NO:-dflt}", "dflt"),
        ("A=pa$$word$1", "pa$$word$1"),
        ("A='one\ntwo'", "one\ntwo"),
        ('A="one\ntwo"', "one\ntwo"),
        ("A=a=b=c", "a=b=c"),
        ("A=${db.port}", "${db.port}"),
        ("\ufeffA=b", "b"),
        ("A=b\r\n", "b"),
        ("A=é", "é"),
    ],
)
def test_a_line_gives_a_value(line: str, value: str) -> None:
    assert values(line, B="bee") == {"A": value}


def test_comments_and_empty_lines_are_skipped_and_the_last_line_wins() -> None:
    assert values("# c\n\n  # d\nA=1\n\nB=2\nA=3\n") == {"A": "3", "B": "2"}


def test_earlier_lines_can_be_used_and_the_environment_wins() -> None:
    assert values("A=1\nB=${A}${C}\n", C="see")["B"] == "1see"
    assert values("A=1\nB=${A}\n", A="theirs")["B"] == "theirs"


def test_an_unset_variable_is_told_with_its_line() -> None:
    assert parse_dotenv("A=1\n\nB=${NO}", file="/e", lookup={}.get).unset == {"NO": 3}


def test_every_wrong_line_is_told_and_the_others_are_read() -> None:
    found = parse_dotenv('A=1\nwords\nB=\'open\n=x\nC="x" y\nD=2', file="/e", lookup={}.get)

    assert [(str(p.position), p.message) for p in found.problems] == [
        ("/e:2:1", "expected NAME=value"),
        ("/e:3:1", "the quote after B= is never closed"),
        ("/e:4:1", "expected NAME=value"),
        ("/e:5:1", "something follows the closing quote of C"),
    ]
    assert found.values == {"A": "1", "D": "2"}


@given(st.text(max_size=100) | st.text(alphabet="A=b'\"\\\n #${}:-", max_size=60))
def test_no_text_makes_it_crash(text: str) -> None:
    found = parse_dotenv(text, file="/e", lookup={}.get)

    assert all(isinstance(value, str) for value in found.values.values())


@given(st.text(alphabet=st.characters(exclude_characters="'\r\0", exclude_categories=["Cs"]), max_size=40))
def test_single_quotes_keep_everything(value: str) -> None:
    assert values(f"A='{value}'") == {"A": value}
