"""Saving: a saved result is read back equal, and a file is written completely or not at all."""

import json
import math
import os
import stat
import subprocess
import sys
import threading
from fractions import Fraction

import attrs
import pytest
from hypothesis import given

import lrrange
from lrrange import LRRangeError, Suggestion, find_lr, load
from lrrange.errors import SaveError
from lrrange.result import dumps
from lrrange.storage.atomic import write_atomically
from lrrange.storage.documents import SCHEMA
from tests.core.strategies import Landscape, results
from tests.core.training import Loop, SeededLoop

RESULT = find_lr(Loop(Landscape(noise=0.02)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "result.json"


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


@given(results())
def test_a_result_is_read_back_equal(tmp_path_factory, result):
    path = tmp_path_factory.mktemp("round") / "trip.json"
    result.save(path)
    assert load(path) == result


@given(results())
def test_every_json_reader_can_read_it_and_nan_and_infinity_are_text(result):
    document = json.loads(dumps(result), parse_constant=no_constant)
    for loss, stored in zip(result.curve.loss, document["result"]["curve"]["loss"], strict=True):
        assert stored == (loss if math.isfinite(loss) else str(loss))


def test_a_file_names_its_schema_and_the_version_that_wrote_it(path):
    RESULT.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["schema"] == SCHEMA
    assert document["lrrange"]
    assert document["format"] == "lrrange result"


def test_what_most_readers_look_for_is_at_the_top(path):
    RESULT.save(path)
    answer = json.loads(path.read_text())["answer"]
    assert (answer["lr"], answer["max_lr"]) == (RESULT.lr, RESULT.range.max_lr)
    flat = find_lr(Loop(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02)))
    flat.save(path)
    assert "does not fall" in json.loads(path.read_text())["answer"]["refused"]


@pytest.mark.parametrize(
    "result",
    [
        find_lr(Loop(Landscape(noise=0.02)), confirm=True),
        find_lr(SeededLoop(Landscape(noise=0.02)), repeats=2, seed=3),
        find_lr(Loop(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02))),
        find_lr(Loop(), heuristic=lambda curve: curve.lr[-5]),
        find_lr(Loop(batches=0)),
    ],
    ids=["confirmed", "repeated", "refused", "own heuristic", "empty"],
)
def test_results_of_every_kind_are_read_back_equal(result, path):
    result.save(path)
    assert load(path) == result


def test_numbers_of_another_library_s_types_are_read_back_as_numbers(path):
    """As a heuristic in NumPy returns them."""

    class Index:
        def __index__(self):
            return 7

    def in_its_own_types(curve):
        return Suggestion(heuristic="mine", lr=Fraction(1, 4), index=Index(), slope=Fraction(-1, 2), low=Fraction(1, 8))

    find_lr(Loop(), heuristic=in_its_own_types).save(path)
    chosen = load(path).chosen
    assert (chosen.lr, chosen.index, chosen.slope, chosen.low) == (0.25, 7, -0.5, 0.125)


def test_a_seed_of_another_library_s_type_is_read_back_as_a_number(path):
    class Seed:
        def __index__(self):
            return 7

    class AnySeed(SeededLoop):
        def seed(self, value):
            super().seed(value.__index__())

    find_lr(AnySeed(), seed=Seed()).save(path)
    assert load(path).provenance.seed == 7


def test_what_a_backend_reports_in_values_json_does_not_have_is_stored_as_text(path):
    class Device:
        def __str__(self):
            return "cuda:0"

    class Reports(Loop):
        def report(self):
            return {"device": Device(), "scale": math.inf, "groups": ("a", 1)}

    find_lr(Reports()).save(path)
    assert load(path).provenance.details == {
        "device": "cuda:0",
        "scale": "inf",
        "groups": ["a", 1],
        "rate_in_force": "proved by the backend",
    }


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(path):
    path.write_text("the old one")
    RESULT.save(path)
    assert load(path) == RESULT
    assert os.listdir(path.parent) == [path.name]


def test_a_path_may_be_text(path):
    RESULT.save(str(path))
    assert load(str(path)) == RESULT


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_part_of_the_new_one(path, monkeypatch, function, error):
    def fails(*_):
        raise error

    path.write_text("the old one")
    monkeypatch.setattr(os, function, fails)
    with pytest.raises(SaveError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        RESULT.save(path)
    assert path.read_text() == "the old one"
    assert os.listdir(path.parent) == [path.name]
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value)
        assert caught.value.path == str(path)


def test_at_no_moment_is_there_half_a_file(path, monkeypatch):
    """Between any two calls of the file system, the file at `path` is the complete old one or the complete new one."""
    path.write_text("the old one")
    seen = []

    def watching(name):
        real = getattr(os, name)

        def function(*arguments):
            seen.append(path.read_text())
            return real(*arguments)

        return function

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, watching(name))
    RESULT.save(path)
    assert seen == ["the old one"] * 2


@pytest.mark.parametrize("where", ["missing/result.json", "file/result.json", "."])
def test_a_path_that_cannot_be_written_is_named(tmp_path, where):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SaveError, match="could not be written to .*Give a path you can write to") as caught:
        RESULT.save(tmp_path / where)
    assert caught.value.path == str(tmp_path / where)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("path", ["/", "", "with\0nul"])
def test_so_is_one_that_is_no_file_at_all(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SaveError, match="could not be written"):
        RESULT.save(path)
    assert os.listdir(tmp_path) == []


def test_a_link_stays_a_link_and_what_it_points_to_is_replaced(tmp_path, path):
    real = tmp_path / "real.json"
    real.write_text("the old one")
    path.symlink_to(real)
    RESULT.save(path)
    assert path.is_symlink()
    assert load(real) == RESULT


def test_a_saved_file_can_be_read_by_whom_the_user_s_mask_allows(path):
    mask = os.umask(0o022)
    try:
        RESULT.save(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_loaded_result_answers_anew_without_the_training(path):
    RESULT.save(path)
    loaded = load(path)
    assert (loaded.lr, loaded.range, loaded.verdict) == (RESULT.lr, RESULT.range, RESULT.verdict)
    assert loaded.with_heuristic("valley").lr == RESULT.with_heuristic("valley").lr


def test_a_loaded_refusal_is_raised_as_the_error_it_was(path):
    flat = find_lr(Loop(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02)))
    flat.save(path)
    with pytest.raises(lrrange.NoSuggestion) as caught:
        _ = load(path).lr
    with pytest.raises(LRRangeError) as before:
        _ = flat.lr
    assert type(caught.value) is type(before.value)
    assert vars(caught.value) == vars(before.value)


@given(results())
def test_saving_is_the_same_text_every_time(result):
    assert dumps(attrs.evolve(result)) == dumps(result)


def test_a_save_removes_what_a_killed_one_left_long_ago_and_nothing_younger_or_of_another_file(path):
    long_ago = path.with_name(f".{path.name}.0123abcd.part")
    just_now = path.with_name(f".{path.name}.4567cdef.part")
    another = path.with_name(".other.json.0123abcd.part")
    for left in (long_ago, just_now, another):
        left.write_text("half a res")
    for left in (long_ago, another):
        os.utime(left, (0, 0))
    RESULT.save(path)
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, just_now.name, another.name])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(path, mode):
    path.touch()
    path.chmod(mode)
    before = path.stat()
    RESULT.save(path)
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == mode
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert load(path) == RESULT


def test_the_mode_is_that_of_the_file_a_link_leads_to(tmp_path, path):
    real = tmp_path / "real.json"
    real.touch()
    real.chmod(0o600)
    path.symlink_to(real)
    RESULT.save(path)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert path.is_symlink()


def test_nobody_else_may_open_the_new_file_while_it_is_written(path, monkeypatch):
    path.touch()
    path.chmod(0o600)
    modes = []
    for name in ("chown", "chmod", "fsync", "replace"):
        real = getattr(os, name)

        def looks(*arguments, real=real):
            modes.extend(stat.S_IMODE(part.stat().st_mode) for part in path.parent.glob(".*.part"))
            return real(*arguments)

        monkeypatch.setattr(os, name, looks)
    RESULT.save(path)
    assert modes == [0o600] * 4


@pytest.mark.parametrize(("mode", "kept"), [(0o664, 0o644), (0o660, 0o600), (0o666, 0o666)])
def test_a_group_that_cannot_be_kept_leaves_no_rights_to_another_group(path, monkeypatch, mode, kept):
    def refuses(*_):
        raise PermissionError(1, "Operation not permitted")

    path.touch()
    path.chmod(mode)
    monkeypatch.setattr(os, "chown", refuses)
    RESULT.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == kept


def test_a_hard_link_to_the_old_file_still_leads_to_the_old_content(tmp_path, path):
    path.write_text("the old one")
    os.link(path, tmp_path / "link.json")
    RESULT.save(path)
    assert (tmp_path / "link.json").read_text() == "the old one"


def test_a_result_is_written_through_a_pipe_which_stays(tmp_path):
    pipe = tmp_path / "result.json"
    os.mkfifo(pipe, 0o620)
    pipe.chmod(0o620)
    for path in (pipe, tmp_path / "link.json"):
        if path != pipe:
            path.symlink_to(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        writer = threading.Thread(target=RESULT.save, args=(path,))
        writer.start()
        os.set_blocking(reader, True)
        with open(reader, "rb") as file:
            # The pipe has no writer until the other thread has opened it, and then reads as if it were at its end.
            text = b""
            while not text.endswith(b"}\n"):
                text += file.read()
        writer.join()
        assert text.decode() == dumps(RESULT)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert stat.S_IMODE(pipe.stat().st_mode) == 0o620
    assert sorted(os.listdir(tmp_path)) == ["link.json", "result.json"]


def test_a_device_stays_a_device(tmp_path):
    before = os.stat("/dev/null")
    link = tmp_path / "null.json"
    link.symlink_to("/dev/null")
    for path in ("/dev/null", link):
        RESULT.save(path)
        after = os.stat("/dev/null")
        assert (after.st_mode, after.st_rdev, after.st_ino) == (before.st_mode, before.st_rdev, before.st_ino)
    assert os.listdir(tmp_path) == ["null.json"]


def test_a_full_device_is_named_in_the_error():
    with pytest.raises(SaveError, match="could not be written to /dev/full: No space left on device"):
        RESULT.save("/dev/full")


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_a_file_that_is_open_is_written_on_from_where_it_is(tmp_path, name):
    log = tmp_path / "log"
    with open(log, "wb") as file:
        file.write(b"before\n")
        file.flush()
        link = tmp_path / "link.json"
        link.symlink_to(name.format(file.fileno()))
        RESULT.save(name.format(file.fileno()))
        RESULT.save(link)
        file.write(b"after\n")
    assert log.read_text() == f"before\n{dumps(RESULT) * 2}after\n"
    assert sorted(os.listdir(tmp_path)) == ["link.json", "log"]


def test_standard_output_that_goes_to_a_file_is_written_on(tmp_path):
    RESULT.save(tmp_path / "result.json")
    code = "import lrrange; print('before'); lrrange.load('result.json').save('/dev/stdout'); print('after')"
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=out, check=True, env=os.environ)
    assert (tmp_path / "out").read_text() == f"before\n{dumps(RESULT)}after\n"


@pytest.mark.parametrize("name", ["a" * 250 + ".json", "ä" * 124 + ".json"])
def test_a_name_of_the_longest_length_is_written(tmp_path, name):
    write_atomically(b"content", tmp_path / name, "the result")
    assert [path.name for path in tmp_path.iterdir()] == [name]
