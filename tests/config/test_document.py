"""Several files as one configuration: -f, include, and problems that name the file of their part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness_core.config import load
from harness_core.config.bundle import Bundle
from harness_core.config.describe import resolved
from harness_core.config.document import MAX_FILES
from harness_core.config.gather import gather
from harness_core.config.identity import identify
from harness_core.config.problem import InvalidConfig
from harness_core.config.validate import Parsed, parse
from harness_core.plugins import Catalog


class Folder:
    """A folder of configuration files, read as the command line would."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self.path = path
        self.catalog = catalog
        self.environ = {"HOME": "/home/me"}

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def bundle(self, *names: str) -> Bundle:
        files = [self.path / name for name in names or ("services.yaml",)]
        # Over the wire and back: the daemon parses what arrived, and reads no file itself.
        return Bundle.from_json(gather(files[0], more=files[1:], cwd=self.path, environ=self.environ).to_json())

    def parsed(self, *names: str) -> Parsed:
        return parse(self.bundle(*names), self.catalog)

    def service(self, name: str, *files: str) -> Any:
        return self.parsed(*files).project.services[name]

    def wrong(self, *names: str) -> list[str]:
        """`file:line:column: message` of each problem, files seen from the folder."""
        with pytest.raises(InvalidConfig) as raised:
            self.parsed(*names)
        return [f"{p.position}: {p.message}".replace(f"{self.path}/", "") for p in raised.value.problems]


@pytest.fixture
def folder(tmp_path: Path, catalog: Catalog) -> Folder:
    return Folder(tmp_path.resolve(), catalog)


BASE = """\
services:
  db: { type: process, command: ./db, env: { A: first, B: second }, health_check: { tcp: 1, retries: 7 }, secrets: [A] }
  api:
    type: process
    command: ./api
    dependencies: [db]
"""


def test_a_later_file_wins_key_by_key_and_the_rest_stays(folder: Folder) -> None:
    folder.write("services.yaml", BASE)
    folder.write("local.yaml", "services:\n  db: { env: { B: other, C: three }, health_check: { retries: 2 }, secrets: [B] }\n")

    db = folder.service("db", "services.yaml", "local.yaml")

    assert db.env == {"A": "first", "B": "other", "C": "three"}
    assert (db.health_check.check, db.health_check.retries) == ("tcp", 2)
    assert db.block["secrets"] == ["other"]  # the list is replaced, not joined
    assert db.command.argv == ("./db",)


def test_null_removes_and_false_is_a_value(folder: Folder) -> None:
    folder.write("a.yaml", BASE.replace("type: process\n", "type: process\n    oneshot: true\n"))
    folder.write("b.yaml", "services:\n  db: { env: { A: null }, health_check: ~, secrets: }\n  api: { oneshot: false }\n")

    project = folder.parsed("a.yaml", "b.yaml").project

    assert project.services["db"].env == {"B": "second"}
    assert project.services["db"].health_check is None
    assert project.services["api"].oneshot is False
    assert folder.service("api", "a.yaml").oneshot is True


def test_a_service_can_be_removed_and_brought_back(folder: Folder) -> None:
    folder.write("a.yaml", BASE)
    folder.write("b.yaml", "services: { api: null }\n")
    folder.write("c.yaml", "services: { api: { type: process, command: ./other } }\n")

    assert list(folder.parsed("a.yaml", "b.yaml").project.services) == ["db"]
    assert not folder.service("api", "a.yaml", "b.yaml", "c.yaml").dependencies


def test_nothing_can_be_removed_that_is_not_there(folder: Folder) -> None:
    folder.write("a.yaml", BASE)
    folder.write("b.yaml", "services: { api: { oneshot: null } }\n")

    assert folder.wrong("a.yaml", "b.yaml") == ["b.yaml:1:29: oneshot has no value: expected true or false"]


def test_dependencies_references_and_clashes_work_across_files(folder: Folder) -> None:
    folder.write("a.yaml", "services:\n  db: { type: process, command: ./db, ports: [5432] }\n")
    folder.write("b.yaml", "services:\n  api: { type: process, command: './api ${db.port}', dependencies: { db: started } }\n")
    folder.write("c.yaml", "services:\n  web: { type: process, command: x, ports: [5432], dependencies: [dbb, api] }\n")

    assert folder.service("api", "a.yaml", "b.yaml").dependencies == {"db": "started"}
    assert folder.wrong("a.yaml", "b.yaml", "c.yaml") == [
        "c.yaml:2:44: port 5432 of 'web' is taken by 'db'",
        "c.yaml:2:67: service 'web' depends on 'dbb', which does not exist",
    ]


def test_each_problem_names_the_file_line_and_column_of_its_part(folder: Folder) -> None:
    folder.write("a.yaml", "services:\n  api:\n    type: process\n    comand: ./api\n")
    folder.write("b.yaml", "# over it\nservices:\n  api: { oneshot: maybe }\n  db: { type: process }\nservces: 1\n")

    with pytest.raises(InvalidConfig) as raised:
        folder.parsed("a.yaml", "b.yaml")

    assert folder.wrong("a.yaml", "b.yaml") == [
        "a.yaml:4:5: unknown key 'comand'",
        "b.yaml:3:19: oneshot: expected true or false, found 'maybe'",
        "b.yaml:4:15: service 'db' (process) needs 'command' or 'binary'",
        "b.yaml:5:1: unknown key 'servces'",
    ]
    assert [p.source for p in raised.value.problems] == [
        "    comand: ./api", "  api: { oneshot: maybe }", "  db: { type: process }", "servces: 1",
    ]  # fmt: skip


def test_files_that_can_not_be_read_are_all_named(folder: Folder) -> None:
    folder.write("a.yaml", "services: [\n")
    folder.write("b.yaml", "")
    folder.write("c.yaml", "a: 1\na: 2\n")
    (folder.path / "d.yaml").write_bytes(b"\xff\xff")

    found = folder.wrong("a.yaml", "b.yaml", "c.yaml", "d.yaml")

    assert [line.split(":")[0] for line in found] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
    assert found[1] == "b.yaml:1:1: the file is empty"
    assert found[2] == "c.yaml:2:1: 'a' is written twice; the first is in line 1"


def test_paths_of_named_files_are_seen_from_the_first_one_and_so_is_the_identity(folder: Folder) -> None:
    folder.write(".env", "WHO=first\n")
    folder.write("services.yaml", "name: shop\n" + BASE)
    folder.write("env", "A=1\n")
    folder.write("over/.env", "WHO=second\n")
    folder.write(
        "over/local.yaml", "name: bazaar\nservices: { db: { env_file: env, working_dir: data, env: { W: '${WHO}' } } }\n"
    )

    project = folder.parsed("services.yaml", "over/local.yaml").project

    db = project.services["db"]
    assert db.command is not None
    assert (db.command.working_dir, db.base_dir) == (f"{folder.path}/data", str(folder.path))
    assert (db.env["W"], db.env["A"]) == ("first", "first")
    assert project.path == str(folder.path / "services.yaml")
    assert project.name == "bazaar"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("name: shop", "name: bazaar"),
        ("name: shop", "description: x"),
        ("name: shop", "name: null"),
        ("include: more.yaml", "description: x"),
        ("name: shop", "include: [more.yaml]"),
        ("include: more.yaml\nname: ${NAME:-own}", "description: x"),
        ("{name: shop, include: more.yaml}", "{}"),
    ],
)
def test_the_id_of_several_files_is_the_one_that_parsing_gives(folder: Folder, first: str, second: str) -> None:
    folder.write("more.yaml", "name: included\n")
    folder.write("a.yaml", first + "\n")
    folder.write("b.yaml", second + "\n")
    folder.write("c.yaml", "services: {}\n")
    files = [folder.path / name for name in ("a.yaml", "b.yaml", "c.yaml")]

    found = identify(files[0], more=files[1:], cwd=folder.path, environ=folder.environ, project=None)

    assert found == folder.parsed("a.yaml", "b.yaml", "c.yaml").project.id


def test_an_includers_keys_win_and_a_later_include_wins_over_an_earlier(folder: Folder) -> None:
    folder.write("one.yaml", "services: { db: { type: process, command: one, env: { A: one, B: one, C: one } } }\n")
    folder.write("two.yaml", "services: { db: { env: { B: two, C: two } } }\n")
    folder.write("services.yaml", "include: [one.yaml, two.yaml]\nservices: { db: { env: { C: own } } }\n")

    assert folder.service("db").env == {"A": "one", "B": "two", "C": "own"}


def test_an_included_file_stands_for_itself_its_paths_are_seen_from_its_folder(folder: Folder) -> None:
    folder.write("shared/env", "FROM=shared\n")
    folder.write(
        "shared/db/db.yaml",
        "networks: { vpn: { type: wireguard, config: wg.conf, nodes: [{ name: n, host: h, ssh_key: ./key }] } }\n"
        "services:\n  db: { type: process, binary: ./db, env_file: ../env, health_check: { http: { ca: ca.pem } } }\n"
        "  box: { type: container, image: x, seed: seed.sql, mounts: [{ from: data, to: /data }] }\n",
    )
    folder.write("shared/all.yaml", "include: db/db.yaml\n")
    folder.write("app/services.yaml", "include: ../shared/all.yaml\nservices: { box: { seed: mine.sql } }\n")

    project = folder.parsed("app/services.yaml").project

    home = f"{folder.path}/shared/db"
    db, box = project.services["db"], project.services["box"]
    assert db.command is not None
    assert db.health_check is not None
    assert (db.command.argv, db.command.working_dir, db.base_dir) == ((f"{home}/db",), home, home)
    assert db.env == {"FROM": "shared"}
    assert db.health_check.config == {"ca": f"{home}/ca.pem"}
    # What the includer writes is seen from the includer.
    assert box.config["seed"] == f"{folder.path}/app/mine.sql"
    assert box.config["mounts"] == [{"from": f"{home}/data", "to": "/data"}]
    assert project.networks["vpn"]["config"] == f"{home}/wg.conf"
    assert project.networks["vpn"]["nodes"][0]["ssh_key"] == f"{home}/key"


def test_variables_choose_what_is_included(folder: Folder) -> None:
    folder.write("queue-b.yaml", "services: { queue: { type: process, command: '${RUN:-b}' } }\n")
    folder.write("services.yaml", "include: queue-${WHICH:-a}.yaml\n")
    folder.environ["WHICH"] = "b"

    bundle = folder.bundle()

    assert [file.path for file in bundle.included.values()] == [str(folder.path / "queue-b.yaml")]
    assert list(folder.parsed().project.services) == ["queue"]
    folder.environ["WHICH"] = "c"
    assert folder.wrong() == ["services.yaml:1:10: can't read the included file queue-c.yaml: No such file or directory"]


def test_a_file_that_is_missing_is_named_where_it_is_included(folder: Folder) -> None:
    folder.write("sub/more.yaml", "# one\ninclude:\n  - gone.yaml\n")
    folder.write("services.yaml", "include: [sub/more.yaml, sub]\nservices: {}\n")

    assert folder.wrong() == [
        "services.yaml:1:26: can't read the included file sub: Is a directory",
        "sub/more.yaml:3:5: can't read the included file sub/gone.yaml: No such file or directory",
    ]


def test_a_circle_is_named_with_its_way_round(folder: Folder) -> None:
    folder.write("a.yaml", "include: b/b.yaml\n")
    folder.write("b/b.yaml", "include: [../c.yaml]\n")
    folder.write("c.yaml", "services: {}\ninclude: [link.yaml]\n")
    (folder.path / "link.yaml").symlink_to("b/b.yaml")

    assert folder.wrong("a.yaml") == ["c.yaml:2:11: files include each other: b/b.yaml → c.yaml → b/b.yaml"]
    assert folder.wrong("c.yaml") == ["b/b.yaml:1:11: files include each other: c.yaml → b/b.yaml → c.yaml"]


def test_a_file_that_includes_itself_is_a_circle_too(folder: Folder) -> None:
    folder.write("services.yaml", "include: services.yaml\nservices: {}\n")

    assert folder.wrong() == ["services.yaml:1:10: files include each other: services.yaml → services.yaml"]


def test_a_file_that_is_reached_in_two_ways_counts_once(folder: Folder) -> None:
    folder.write("db.yaml", "services: { db: { type: process, command: ./db } }\n")
    for name in ("left", "right"):
        folder.write(
            f"{name}.yaml", f"include: db.yaml\nservices: {{ {name}: {{ type: process, command: x, dependencies: [db] }} }}\n"
        )
    folder.write("services.yaml", "include: [left.yaml, right.yaml]\n")

    assert list(folder.parsed().project.services) == ["db", "left", "right"]


def test_the_number_of_includes_is_bounded_also_where_each_doubles_them(folder: Folder) -> None:
    folder.write("f0.yaml", "services: {}\n")
    for number in range(1, 40):
        folder.write(f"f{number}.yaml", f"include: [{', '.join([f'f{number - 1}.yaml'] * 3)}]\n")
    folder.write("wide.yaml", f"include: [{', '.join(f'n{i}.yaml' for i in range(MAX_FILES + 50))}]\nservices: {{}}\n")

    assert any(f"more than {MAX_FILES} files are included" in line for line in folder.wrong("f39.yaml"))
    bundle = folder.bundle("wide.yaml")
    assert len(bundle.included) == MAX_FILES
    assert folder.wrong("wide.yaml")[-1].endswith(f"more than {MAX_FILES} files are included")


def test_limits_hold_for_all_files_together(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = "x-a: &a [{}]\nx-b: [{}]\n".format(", ".join("0" * 100), ", ".join(["*a"] * 60))
    folder.write("a.yaml", bomb + "services: {}\n")
    folder.write("b.yaml", bomb + "include: a.yaml\n")
    assert folder.parsed("a.yaml").project.services == {}
    assert "b.yaml" in folder.bundle("b.yaml").files[0].path
    assert "aliases expand to more than 10,000 values" in folder.wrong("a.yaml", "b.yaml")[0]
    assert "aliases expand to more than 10,000 values" in folder.wrong("b.yaml")[0]

    big = "x-pad: " + "x" * 600_000 + "\nservices: {}\n"
    folder.write("c.yaml", big)
    folder.write("d.yaml", big)
    assert folder.parsed("c.yaml").problems == ()
    assert folder.wrong("c.yaml", "d.yaml") == ["d.yaml:1:1: the files together are larger than 1024 KiB"]

    monkeypatch.setattr(load, "MAX_WRITTEN", 60)
    many = "services: { a: { type: process, command: x, args: [" + ", ".join("1" * 40) + "] } }\n"
    folder.write("e.yaml", many)
    folder.write("f.yaml", many)
    assert "more than 60 keys and values" in folder.wrong("e.yaml", "f.yaml")[-1]


def test_a_node_knows_its_file_through_merge_keys_and_merging(folder: Folder) -> None:
    folder.write(
        "a.yaml",
        "x-base: &base\n  type: process\n  comand: ./run\n  stop: { x-why: slow, timeout: soon }\n"
        "services:\n  api: { <<: *base }\n",
    )
    folder.write("b.yaml", "services:\n  api: { <<: { restart: sometimes } }\n")

    assert folder.wrong("a.yaml", "b.yaml") == [
        "a.yaml:3:3: unknown key 'comand'",
        "a.yaml:4:33: timeout: 'soon' is not a duration: write 500ms, 2s, 1m30s, 2h, or a number of seconds",
        "b.yaml:2:25: restart can't be 'sometimes': expected one of no, on-failure, always, unless-stopped",
    ]


def test_an_override_that_adds_instead_of_replacing_is_told_how_to_replace(folder: Folder) -> None:
    folder.write("services.yaml", BASE)
    folder.write("b.yaml", "services: { db: { binary: ./other, health_check: { http: x } } }\n")
    folder.write("c.yaml", "services: { db: { command: null, health_check: { tcp: null } } }\n")

    with pytest.raises(InvalidConfig) as raised:
        folder.parsed("services.yaml", "b.yaml")
    db = folder.service("db", "services.yaml", "b.yaml", "c.yaml")

    assert [(p.position.line, p.message, p.hint) for p in raised.value.problems if p.position] == [
        (
            1,
            "'command' and 'binary' can't both be there",
            "write 'command' alone, or 'binary' with 'args'; in the later file, `null` removes what the earlier one has",
        ),
        (
            1,
            "health_check has tcp and http: only one check is possible",
            f"to replace the one of {folder.path}/services.yaml, write `tcp: null` here as well",
        ),
    ]
    assert db.health_check.check == "http"
    assert db.command.argv == (f"{folder.path}/other",)


def test_what_is_shown_is_the_whole(folder: Folder) -> None:
    folder.write("db.yaml", "services: { db: { type: process, command: ./db } }\n")
    folder.write("services.yaml", "include: db.yaml\nname: shop\n")
    folder.write("b.yaml", "services: { db: { env: { A: '1' } } }\n")

    shown = resolved(folder.parsed("services.yaml", "b.yaml").project)

    assert shown["services"]["db"]["env"] == {"A": "1"}
    assert "include" not in shown


def test_x_keys_are_free_wherever_the_keys_are_cores(service: Any, only: Any) -> None:
    found = service(
        "x-a: 1, stop: {x-b: [1], timeout: 3s}, restart: {x-c: {d: 1}, policy: always}, limits: {x-e: , pids: 5}, logs: {x-f: 1},"
        "ports: [{x-g: 1, port: 80}], health_check: {x-h: 1, tcp: 80}, layers: [{type: sudo, x-i: 1}]",
        more="networks: {n: {type: lan, x-j: 1, nodes: [{name: a, host: b, x-k: 1}]}}\nsettings: {x-l: 1}\nx-m: 1\n",
    )

    assert (found.stop.timeout, found.limits.pids, found.layers[0].config) == (3.0, 5, {})
    assert only("services: {a: {type: process, command: x, stop: {y-b: 1}}}").message == "unknown key 'y-b'"
