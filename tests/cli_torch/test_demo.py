import json
import os
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from lrrange_torch.demo import LeNet, make, make_points

import lrrange as library
from lrrange.cli import main
from lrrange.errors import MissingExtra, NoData, OptionError, UnknownName

FOLDERS = {"mnist": ("mnist-10k", "MNIST"), "fashion-mnist": ("fashion-mnist-mini", "FashionMNIST")}


def lrrange(*arguments):
    options = [] if arguments[0] == "suggest" else ["--no-progress"]
    return CliRunner().invoke(main, [*map(str, arguments), *options])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_idx(root, kind, count=150):
    """Write the smallest data set that torchvision's own class reads: stripes whose position is the label."""
    raw = root / kind / "raw"
    raw.mkdir(parents=True)
    labels = torch.arange(count, dtype=torch.uint8) % 10
    images = torch.zeros(count, 28, 28, dtype=torch.uint8)
    for i, label in enumerate(labels):
        images[i, :, 2 * int(label) : 2 * int(label) + 4] = 200
    for part in ("train", "t10k"):
        header = struct.pack(">4B3i", 0, 0, 8, 3, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.numpy().tobytes())
        header = struct.pack(">4Bi", 0, 0, 8, 1, count)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.numpy().tobytes())


@pytest.fixture(params=sorted(FOLDERS))
def data_and_root(request, tmp_path):
    """Real images if LRRANGE_TEST_DATA names a folder of them, otherwise a data set written here."""
    folder, kind = FOLDERS[request.param]
    if data := os.environ.get("LRRANGE_TEST_DATA"):
        return request.param, Path(data) / folder
    write_idx(tmp_path, kind)
    return request.param, tmp_path


def test_the_demo_answers_writes_both_files_and_says_what_to_type_next(here):
    run = lrrange("demo", "--num-steps", 60)
    assert (run.exit_code, run.stderr) == (0, "")
    result = library.load("lrrange-demo.json")
    for shown in ("verdict", "blow-up", f"{result.lr:.2e}", f"{result.range.max_lr:.2e}", "of 60"):
        assert shown in run.stdout.replace("all 60", "of 60")
    assert (here / "lrrange-demo.png").read_bytes().startswith(b"\x89PNG")
    assert run.stdout.splitlines()[-1] == "Another heuristic: lrrange suggest lrrange-demo.json --heuristic steepest"
    assert sorted(path.name for path in here.iterdir()) == ["lrrange-demo.json", "lrrange-demo.png"]


def test_the_next_command_works_as_printed(here):
    run = lrrange("demo", "--num-steps", 60, "--out-dir", "with space/inner")
    command = run.stdout.splitlines()[-1].removeprefix("Another heuristic: lrrange ")
    assert "'with space/inner/lrrange-demo.json'" in command
    assert lrrange(*shlex.split(command)).exit_code == 0


def test_the_default_demo_learns_and_every_heuristic_answers(here):
    assert lrrange("demo").exit_code == 0
    result = library.load("lrrange-demo.json")
    assert all(isinstance(answer, library.Suggestion) for answer in result.answers)
    # Cross-entropy over ten classes starts at ln 10 = 2.3; half of that means that digits are told apart.
    assert min(result.curve.finite.smoothed) < 1.15
    assert (result.provenance.backend, result.provenance.seed) == ("torch", 0)


def test_the_same_seed_gives_the_same_curve_and_another_another(here):
    curves = [
        json.loads(lrrange("demo", "--num-steps", 12, "--seed", seed, "--json").stdout)["result"]["curve"]
        for seed in (1, 1, 2)
    ]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


def test_json_is_one_document_on_stdout(here):
    run = lrrange("demo", "--num-steps", 30, "--json", "--heuristic", "steepest")
    document = json.loads(run.stdout)
    assert document == json.loads((here / "lrrange-demo.json").read_text())
    assert document["result"]["heuristic"] == "steepest"


def test_where_nothing_can_be_written_the_answer_is_printed_all_the_same(here):
    (here / "taken").write_text("a file, not a folder")
    run = lrrange("demo", "--num-steps", 60, "--out-dir", "taken/inner")
    assert run.exit_code == 1
    assert "verdict" in run.stdout
    assert "Another heuristic:" not in run.stdout
    lines = run.stderr.splitlines()
    assert [line.split(" could not be written to ")[0] for line in lines] == ["Error: the plot", "Error: the result"]


def test_a_read_only_folder_is_told_by_its_reason(here, monkeypatch):
    def refuse(file, *_, **__):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("lrrange.storage.atomic.open", refuse, raising=False)
    run = lrrange("demo", "--num-steps", 60)
    assert run.exit_code == 1
    assert run.stderr.count("Permission denied") == 2
    assert "verdict" in run.stdout


def test_the_demo_in_a_real_process(here):
    script = "from lrrange.cli import main; main(['demo', '--num-steps', '30', '--no-progress'])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "Wrote lrrange-demo.png" in run.stdout


def test_the_demos_factory_is_one_that_find_takes(here):
    run = lrrange("find", "lrrange_torch.demo:make", "--num-steps", 30, "--start-lr", 1e-4, "--seed", 3, "--json")
    assert json.loads(run.stdout)["result"]["provenance"]["seed"] == 3


def test_the_first_example_needs_nothing_but_torch(here, monkeypatch):
    for name in ("sklearn", "torchvision", "matplotlib", "numpy"):
        for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, name, None)
    run = lrrange("find", "lrrange_torch.demo:make_points", "--json")
    result = json.loads(run.stdout)
    assert (run.exit_code, run.stderr) == (0, "")
    assert 1e-3 < result["answer"]["lr"] < 0.1
    assert result["result"]["facts"]["train_steps"] == 320


@pytest.mark.parametrize(
    ("words", "steps"), [([], 320), (["--train-epochs", "2"], 64), (["--train-steps", "100"], 100)]
)
def test_the_length_that_is_typed_replaces_the_factorys(here, words, steps):
    run = lrrange("find", "lrrange_torch.demo:make_points", "--num-steps", 30, "--json", *words)
    assert json.loads(run.stdout)["result"]["facts"]["train_steps"] == steps


def test_the_points_depend_on_the_seed_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    (first, options), (second, same), (_, others) = (make_points(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0].weight, second[0].weight)
    assert torch.equal(next(iter(options["loader"]))[0], next(iter(same["loader"]))[0])
    assert not torch.equal(next(iter(options["loader"]))[0], next(iter(others["loader"]))[0])


def test_torchvisions_images_are_swept(data_and_root, here):
    data, root = data_and_root
    run = lrrange("demo", "--data", data, "--root", root, "--num-steps", 30)
    assert (run.exit_code, run.stderr) == (0, "")
    assert len(library.load("lrrange-demo.json").curve) > 12


def test_torchvisions_images_need_a_folder(here):
    run = lrrange("demo", "--data", "mnist")
    assert run.exit_code == 1
    assert "--root DIR" in run.stderr
    with pytest.raises(OptionError, match="root='DIR'"):
        make("fashion-mnist")


@pytest.mark.parametrize("data", sorted(FOLDERS))
def test_a_download_that_fails_says_where_to_put_the_files(here, monkeypatch, data):
    from torchvision import datasets

    kind = getattr(datasets, FOLDERS[data][1])
    monkeypatch.setattr(kind, "mirrors", ["http://127.0.0.1:9/"])  # the discard port: refused at once
    run = lrrange("demo", "--data", data, "--root", here / "images", "--json")
    error = json.loads(run.stdout)["error"]
    assert (run.exit_code, error["type"]) == (1, NoData.__name__)
    assert str(here / "images" / kind.__name__ / "raw") in error["message"]


@pytest.mark.parametrize(
    ("data", "library_name"), [("digits", "sklearn"), ("mnist", "torchvision"), ("fashion-mnist", "torchvision")]
)
def test_a_missing_library_names_the_extra(monkeypatch, tmp_path, data, library_name):
    for name in [name for name in sys.modules if name.partition(".")[0] == library_name]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, library_name, None)
    with pytest.raises(MissingExtra, match=r"pip install 'lrrange\[demo\]'"):
        make(data, root=str(tmp_path))


def test_data_of_another_name_is_refused():
    with pytest.raises(UnknownName, match="'imagenet' is not one of digits, mnist, fashion-mnist"):
        make("imagenet")


@pytest.mark.parametrize("side", [4, 8, 28])
def test_lenet_takes_images_of_any_side_that_it_was_made_for(side):
    assert LeNet(side)(torch.zeros(3, 1, side, side)).shape == (3, 10)


def test_making_the_demo_leaves_the_global_generators_alone():
    before = torch.get_rng_state()
    first, _ = make(seed=5)
    second, _ = make(seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_the_digits_are_all_there_between_0_and_1():
    _, options = make(batch_size=2000)
    images, labels = next(iter(options["loader"]))
    assert images.shape == (1797, 1, 8, 8)
    assert (float(images.min()), float(images.max())) == (0.0, 1.0)
    assert sorted(set(labels.tolist())) == list(range(10))


def test_the_demo_leaves_the_model_as_it_was():
    model, options = make()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    library.find_lr(model, num_steps=12, **options)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
