"""Either class tree alone, both together, and neither: each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ["pytorch_lightning", "lightning.pytorch"]

SWEEP = """
import sys, warnings
warnings.filterwarnings("ignore")
import {tree} as tree
from lrrange_lightning import LRRangeTest
import lrrange
from tests.lightning.trainings import loader, plain, trainer
callback = LRRangeTest(start_lr=1e-5, end_lr=10.0, num_steps=80)
model = plain(tree)
result = lrrange.find_lr(trainer(tree), model=model, train_dataloaders=loader(), num_steps=20)
trainer(tree, callbacks=callback).fit(model, loader())
assert isinstance(callback, tree.Callback)
assert model.lr == callback.result.lr
assert "{other}" not in sys.modules
print(type(callback).__bases__[1].__module__)
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("tree", TREES)
def test_a_tree_alone_is_enough_and_the_other_stays_out(tree: str) -> None:
    (other,) = {*TREES} - {tree}
    assert python(SWEEP.format(tree=tree, other=other)).startswith(tree)


def test_importing_the_plug_in_loads_no_framework_and_knows_a_trainer_of_either_tree() -> None:
    python(
        """
import sys
import lrrange, lrrange_lightning
assert lrrange.list_plugins()
assert lrrange_lightning.lrrange_adapt(target=object(), options={}) is None
assert lrrange_lightning.lrrange_apply(optimizer=object(), lr=0.1, scheduler=None) is None
assert not {"torch", "pytorch_lightning", "lightning"} & set(sys.modules)
try:
    lrrange_lightning.LRFinder
except AttributeError as error:
    print(error)
"""
    )


def test_the_callback_imported_before_any_tree_is_taken_by_both() -> None:
    """As import sorters have it: lrrange_lightning stands between the two."""
    said = python(
        """
import pickle
from lrrange_lightning import LRRangeTest, VerifyRate
import lightning.pytorch, pytorch_lightning
for kind in (LRRangeTest, VerifyRate):
    assert issubclass(kind, lightning.pytorch.Callback)
    assert issubclass(kind, pytorch_lightning.Callback)
assert pickle.loads(pickle.dumps(LRRangeTest(num_steps=30)))._sweep["num_steps"] == 30
print(LRRangeTest.__module__, LRRangeTest.__doc__[:44])
"""
    )
    assert said == "lrrange_lightning Runs a learning-rate range test inside `fit`"
