"""Test the time that a run still takes, from earlier runs, in the order in which stages will start."""

from pathlib import Path

import pytest

from zfpipe.tools.estimate import Durations, left, words
from zfpipe.tools.jobs import Room


@pytest.fixture
def durations(tmp_path: Path) -> Durations:
    return Durations(tmp_path / ".zfpipe/durations.json")


def given(durations: Durations, **seconds: float) -> Durations:
    durations.seconds = dict(seconds)
    return durations


def test_durations_are_kept_from_run_to_run(durations: Durations) -> None:
    durations.keep("one", 1.26)
    durations.keep("two", 3)
    durations.keep("one", 2)
    assert Durations(durations.path).seconds == {"one": 2, "two": 3}
    assert [path.name for path in durations.path.parent.iterdir()] == ["durations.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"one": null}', '{"one": "soon"}'])
def test_a_damaged_file_counts_as_none(durations: Durations, text: str) -> None:
    durations.path.parent.mkdir()
    durations.path.write_text(text)
    assert Durations(durations.path).seconds == {}


def test_a_stage_that_never_ran_takes_as_long_as_its_family(durations: Durations) -> None:
    durations.seconds = {"train@one": 10, "train@two": 20, "trains": 99}
    assert durations.expected("train@one") == 10
    assert durations.expected("train@three") == 15
    assert durations.expected("figure@1") is None


def test_stages_in_a_row_add_up(durations: Durations) -> None:
    given(durations, a=10, b=20, c=5)
    needs = {"a": [], "b": ["a"], "c": ["b"]}
    assert left({"a": 4}, ["b", "c"], needs, [], durations, Room(2, 2, 2)) == (31, True)
    assert left({}, ["b", "c"], needs, [], durations, Room(2, 2, 2)) == (25, True), "a is done"
    assert left({"a": 40}, ["b", "c"], needs, [], durations, Room(2, 2, 2)) == (25, True), "a is late"


def test_jobs_share_the_work(durations: Durations) -> None:
    given(durations, a=10, b=10, c=10, d=10)
    needs = dict.fromkeys("abcd", ())
    for jobs, expected in ((1, 40), (2, 20), (3, 20), (4, 10)):
        assert left({}, list("abcd"), needs, [], durations, Room(jobs, jobs, jobs)) == (expected, True)
    assert left({"a": 0}, list("bcd"), needs, [], durations, Room(4, 1, 4, set("abc"))) == (30, True), (
        "with one GPU, stages that compute take turns"
    )


def test_stages_behind_a_failed_stage_take_no_time(durations: Durations) -> None:
    given(durations, a=10, b=20, c=30)
    needs = {"a": [], "b": ["bad"], "c": ["b"]}
    assert left({"a": 0}, ["b", "c"], needs, ["bad"], durations, Room(2, 2, 2)) == (10, True)


def test_unknown_stages_make_the_estimate_a_lower_bound(durations: Durations) -> None:
    needs = dict.fromkeys("abc", ())
    assert left({"a": 0}, list("bc"), needs, [], durations, Room(1, 1, 1)) is None
    given(durations, a=10, b=20)
    assert left({"a": 0}, list("bc"), needs, [], durations, Room(1, 1, 1)) == (30, False)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (84, "84 s"), (540, "9 min"), (6000, "1.7 h"), (259200, "72.0 h")]
)
def test_times_are_put_in_words(seconds: float, expected: str) -> None:
    assert words(seconds) == expected
