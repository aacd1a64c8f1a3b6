from __future__ import annotations

import pytest

from harness_core.cli.failures import exit_code_of, exit_code_of_outcome, exit_code_of_service


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("usage", 2),
        ("service.unknown", 2),
        ("config.invalid", 3),
        ("config.not-found", 3),
        ("plugin.missing", 3),
        ("daemon.unreachable", 4),
        ("daemon.version", 4),
        ("state.unwritable", 4),
        ("daemon.timeout", 5),
        ("request.timeout", 5),
        ("auth.untrusted", 6),
        ("auth.role", 6),
        ("trust.broken", 6),
        ("project.unknown", 1),
        ("stop.dependents", 1),
        ("internal", 70),
    ],
)
def test_each_kind_of_error_has_its_exit_code(kind, code):
    assert exit_code_of(kind) == code


@pytest.mark.parametrize(("reached", "timed_out", "code"), [(True, False, 0), (False, False, 1), (False, True, 5)])
def test_an_outcome_has_its_exit_code(reached, timed_out, code):
    assert exit_code_of_outcome({"reached": reached, "timed_out": timed_out}) == code


@pytest.mark.parametrize(
    ("exit", "code"),
    [
        ({"code": 0, "signal": None}, 0),
        ({"code": 7, "signal": None}, 7),
        ({"code": None, "signal": "KILL"}, 137),
        ({"code": None, "signal": "TERM"}, 143),
        ({"code": None, "signal": "NO-SUCH"}, 1),
        ({"code": None, "signal": None}, 1),
        (None, 1),
    ],
)
def test_a_services_end_has_its_exit_code_and_an_unknown_one_is_never_success(exit, code):
    assert exit_code_of_service(exit) == code
