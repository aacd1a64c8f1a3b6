from __future__ import annotations

import asyncio
import json
import logging
import stat

import pytest

from harness_core.daemon import log as log_module
from harness_core.daemon.log import OwnLog, request_id


@pytest.fixture
def own(tmp_path):
    log = OwnLog(tmp_path)
    yield log
    log.close()


def lines(own):
    return [json.loads(line) for line in own.path.read_text().splitlines()]


def test_each_line_is_an_object_with_the_request_it_belongs_to(own):
    own.logger.info("before")
    request_id.set("3-7")
    logging.LoggerAdapter(logging.getLogger("harness.engine"), {"plugin": "harness-plugin-x"}).warning("within %s", "it")
    request_id.set(None)

    before, within = lines(own)
    assert (before["message"], before["request"], before["level"]) == ("before", None, "info")
    assert (within["message"], within["request"], within["plugin"]) == ("within it", "3-7", "harness-plugin-x")
    assert within["at"].endswith("+00:00")


def test_the_log_is_closed_to_others(own):
    assert stat.S_IMODE(own.path.stat().st_mode) == 0o600


def test_a_traceback_is_in_the_log(own):
    try:
        raise ValueError("why")
    except ValueError:
        own.logger.exception("it failed")

    assert "ValueError: why" in lines(own)[0]["error"]


def test_known_secrets_and_what_looks_like_one_are_masked_in_text_and_traceback(own):
    own.hide(["hunter22", "abc"])
    try:
        raise ValueError("password was hunter22")
    except ValueError:
        own.logger.exception("env DB_PASSWORD=geheim api_key: '12345' abc")

    text = own.path.read_text()
    assert "hunter22" not in text
    assert "geheim" not in text
    assert "12345" not in text
    assert "abc" in text, "very short values would eat the log"


def test_the_log_is_rotated_and_read_across_the_seam(tmp_path, monkeypatch):
    monkeypatch.setattr(log_module, "SIZE", 5_000)
    own = OwnLog(tmp_path)
    for number in range(100):
        own.logger.info("%d", number)

    assert (tmp_path / "daemon.log.1").exists()
    assert not (tmp_path / "daemon.log.4").exists()
    assert [json.loads(line)["message"] for line in own.tail(30)] == [str(number) for number in range(70, 100)]
    assert own.tail(0) == []
    own.close()


def test_followers_get_what_is_written_from_any_thread(own):
    async def follow():
        own.logger.info("zero")
        following = own.follow(1)
        got = [json.loads(await anext(following))["message"]]
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        await asyncio.to_thread(own.logger.info, "one")
        got.append(json.loads(await waiting)["message"])
        await following.aclose()
        return got

    assert asyncio.run(follow()) == ["zero", "one"]
    assert not own._followers


def test_a_follower_that_is_too_slow_is_told_how_much_it_lost(own, monkeypatch):
    monkeypatch.setattr(log_module, "_FOLLOWER_LINES", 10)

    async def follow():
        following = own.follow(0)
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        for number in range(25):
            own.logger.info("%d", number)
        return [json.loads(line)["message"] for line in [await waiting] + [await anext(following) for _ in range(10)]]

    got = asyncio.run(follow())
    assert got[0] == "15 lines were lost: this reader is too slow"
    assert got[1:] == [str(number) for number in range(15, 25)]


def test_a_log_that_was_moved_away_is_begun_anew(own, tmp_path):
    own.logger.info("old")
    own.path.rename(tmp_path / "elsewhere")

    own.reopen()
    own.logger.info("new")

    assert [line["message"] for line in lines(own)] == ["new"]


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path):
    own = OwnLog(tmp_path)
    own._file.stream.close()
    own._file.stream = open("/dev/full", "a")  # noqa: SIM115 - closed with the log

    own.logger.info("lost")
    own.close()

    assert own._file.lost == 1
