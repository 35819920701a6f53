"""The example runs, and a sweep of scikit-learn's estimators needs neither skorch nor torch."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_example_finds_better_rates_than_the_defaults() -> None:
    script = ROOT / "examples" / "sklearn_digits.py"
    ran = subprocess.run([sys.executable, "-W", "ignore", script], capture_output=True, text=True, check=True)
    rows = re.findall(r"epochs (0\.\d+), at the default rate (0\.\d+)", ran.stdout)
    assert len(rows) == 3
    assert all(float(found) > float(default) for found, default in rows)


def test_a_sweep_of_an_estimator_imports_neither_torch_nor_skorch() -> None:
    code = """
import sys
import lrrange
assert not {"sklearn", "skorch", "torch", "numpy"} & set(sys.modules)
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
X, y = load_digits(return_X_y=True)
estimator = SGDClassifier(learning_rate="constant", random_state=0)
result = lrrange.find_lr(estimator, X=X / 16, y=y, progress=False, num_steps=60)
result.apply(estimator)
assert result.verify(estimator, X=X / 16, y=y).proved
assert not {"skorch", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
