"""From a configuration to the spec of one run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from harness_core.contracts.place import Place, Port
from harness_core.contracts.run import spec_from_json, spec_to_json
from harness_core.engine.launching import DIGEST_LABEL, build_command, build_spec, innermost_place, new_run_id, wrap_in
from harness_core.template import Reference
from harness_core.testing import FakeLayer

COMMAND = {"argv": ["serve", "--db", "${db.port}", "$$HOME"], "working_dir": "/srv", "shell": False, "stdin": False, "tty": False}


def five(reference: Reference) -> str:
    return "5432"


def spec_of(bench: Any, **keys: Any) -> Any:
    service = bench.project({"api": {"command": COMMAND, **keys}}).services["api"]
    return build_spec(service, project="p", run="r1", ports=[Port("http", 80, 8080)], resolve=five, wrap=lambda command: command)


def test_run_ids_sort_by_time_and_are_legal() -> None:
    early, late = (new_run_id(datetime(year, 1, 1, tzinfo=UTC)) for year in (2030, 2031))

    assert early < late
    assert len(early) <= 32
    assert set(early) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_every_template_is_rendered_once(bench: Any) -> None:
    spec = spec_of(bench, env={"DB": "x:${db.port}"}, config={"deep": [{"k": "${db.port}$$"}]}, labels={"l": "${db.port}"})

    assert spec.command.argv == ("serve", "--db", "5432", "$HOME")
    assert spec.env == {"DB": "x:5432"}
    assert spec.config == {"deep": [{"k": "5432$"}]}
    assert spec.labels["l"] == "5432"


def test_a_shell_line_is_one_argument_and_what_is_inherited_is_overruled(bench: Any) -> None:
    command = {**COMMAND, "argv": ["echo $$A"], "shell": True}
    service = bench.project({"api": {"command": command, "inherited_env": {"PATH": "/bin", "A": "old"}}}).services["api"]

    built = build_command(service, env={"A": "new"}, resolve=five)

    assert built.argv == ("/bin/sh", "-c", "echo $A")
    assert built.env == {"PATH": "/bin", "A": "new"}


def test_the_outermost_layer_is_applied_last() -> None:
    from harness_core.contracts.command import Command

    layers = [(FakeLayer(), {"mark": "outer"}), (FakeLayer(), {"mark": "inner"})]

    wrapped = wrap_in(layers, Command(("serve",), env={"A": "1"}))

    marks = [word for word in wrapped.argv if word.startswith("FAKE_LAYER")]
    assert marks == ["FAKE_LAYER_outer=1", "FAKE_LAYER_inner=1"]
    assert innermost_place(Place("box"), layers) == Place("box")


def test_a_spec_comes_back_without_its_secrets(bench: Any) -> None:
    spec = spec_of(
        bench,
        env={"DB_PASSWORD": "hunter22", "URL": "pg://u:hunter22@h", "PLAIN": "x", "API_KEY": "k-${db.port}"},
        config={"note": ["hunter22"]},
        secrets=["hunter22"],
    )

    stored = spec_to_json(spec)
    again = spec_from_json(json.loads(json.dumps(stored)))

    assert "hunter22" not in json.dumps(stored)
    assert "k-5432" not in json.dumps(stored)
    assert again.env == {"DB_PASSWORD": "", "URL": "", "PLAIN": "x", "API_KEY": ""}
    assert (again.project, again.service, again.run, again.ports, again.logs) == (
        spec.project, spec.service, spec.run, spec.ports, spec.logs,
    )  # fmt: skip
    assert again.labels[DIGEST_LABEL] == spec.labels[DIGEST_LABEL]
    assert spec.secrets == {"hunter22", "k-5432"}
