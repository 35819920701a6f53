"""Either Lightning package alone, both together, and neither: each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["pytorch_lightning", "lightning.pytorch"]

SWEEP = """
import sys, warnings
warnings.filterwarnings("ignore")
import {package} as package
from lrrange_lightning import LRRangeTest
import lrrange
from tests.lightning.trainings import loader, plain, trainer
callback = LRRangeTest(start_lr=1e-5, end_lr=10.0, num_steps=80)
model = plain(package)
result = lrrange.find_lr(trainer(package), model=model, train_dataloaders=loader(), num_steps=20)
trainer(package, callbacks=callback).fit(model, loader())
assert isinstance(callback, package.Callback)
assert model.lr == callback.result.lr
assert "{other}" not in sys.modules
print(type(callback).__bases__[1].__module__)
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_alone_is_enough_and_the_other_stays_out(package: str) -> None:
    (other,) = {*PACKAGES} - {package}
    assert python(SWEEP.format(package=package, other=other)).startswith(package)


def test_importing_the_plug_in_loads_no_framework_and_knows_a_trainer_of_either_package() -> None:
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


def test_the_callback_imported_before_either_package_is_taken_by_both() -> None:
    """Import sorters put lrrange_lightning between the two."""
    printed = python(
        """
import pickle
from lrrange_lightning import LRRangeTest, VerifyRate
import lightning.pytorch, pytorch_lightning
for kind in (LRRangeTest, VerifyRate):
    assert issubclass(kind, lightning.pytorch.Callback)
    assert issubclass(kind, pytorch_lightning.Callback)
assert pickle.loads(pickle.dumps(LRRangeTest(num_steps=30)))._settings.num_steps == 30
print(LRRangeTest.__module__, LRRangeTest.__doc__.partition(",")[0])
"""
    )
    assert printed == "lrrange_lightning A callback that runs a range test inside `fit`"


def test_hooks_of_anybody_become_a_callback_of_both_packages_that_a_fit_calls_and_pickle_finds(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        """
from lrrange_lightning import callback_class

class Hooks:
    "Stops a fit."

    def __init__(self, step=0):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, trainer, *_):
        trainer.should_stop = trainer.global_step > self.step

def __getattr__(name):
    if name != "Stop":
        raise AttributeError(name)
    return callback_class(Hooks, "mine.Stop")
"""
    )
    printed = python(
        f"""
import pickle, sys, warnings
warnings.filterwarnings("ignore")
sys.path.append({str(tmp_path)!r})
import lightning.pytorch
import mine
only = mine.Stop
assert issubclass(only, mine.Hooks) and issubclass(only, lightning.pytorch.Callback) and only is mine.Stop
import pytorch_lightning
assert mine.Stop is not only and mine.Stop is mine.Stop
stop = pickle.loads(pickle.dumps(mine.Stop(3)))
assert stop.step == 3
from tests.lightning.trainings import loader, plain, trainer
for package in (pytorch_lightning, lightning.pytorch):
    fitting = trainer(package, callbacks=[stop])
    fitting.fit(plain(package), loader())
    assert fitting.global_step == 4
print(mine.Stop.__module__, mine.Stop.__qualname__, mine.Stop.__doc__)
"""
    )
    assert printed == "mine Stop Stops a fit."


def test_the_package_of_an_object_is_found_without_importing_either() -> None:
    python(
        """
import sys
from lrrange_lightning import package_of
assert package_of(object(), "Trainer") is None
assert not {"pytorch_lightning", "lightning"} & set(sys.modules)
import lightning.pytorch, pytorch_lightning
assert package_of(pytorch_lightning.LightningModule(), "LightningModule") is pytorch_lightning
assert package_of(lightning.pytorch.LightningModule(), "LightningModule") is lightning.pytorch
assert package_of(lightning.pytorch.LightningModule(), "Trainer") is None
print()
"""
    )
