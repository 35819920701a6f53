"""Tables, plots and progress bars leave the random states of the process alone, the first time too.

Each runs in a new process in which every import of a drawing library draws random numbers, as some of them do.
"""

import subprocess
import sys

import pytest

PROGRAM = """
import io, os, random, sys
import numpy
import lrrange

class Loop:
    w = 0.0
    def step(self, lr):
        self.w += lr * (1 - self.w)
        return (1 - self.w) ** 2
    def snapshot(self): return self.w
    def restore(self, state): self.w = state

class DrawsOnImport:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("rich", "matplotlib", "pygments", "PIL", "click"):
            random.random()
            numpy.random.rand()
            drawn.append(name)

class Terminal(io.StringIO):
    def isatty(self): return True

os.environ["TERM"] = "xterm"
drawn = []
sys.meta_path.insert(0, DrawsOnImport())
result = lrrange.find_lr(Loop(), num_steps=50)
random.seed(5)
numpy.random.seed(5)
python_state, numpy_state = random.getstate(), numpy.random.get_state()
assert not drawn, drawn
{action}
assert drawn
assert random.getstate() == python_state
assert [list(part) if hasattr(part, "tolist") else part for part in numpy.random.get_state()] == [
    list(part) if hasattr(part, "tolist") else part for part in numpy_state
]
"""

ACTIONS = {
    "table": "result.__rich__()",
    "text": "assert 'verdict' in str(result)",
    "html": "assert '<img' in result._repr_html_()",
    "plot": "result.plot()",
    "saved plot": "result.plot(path=path)",
    "grid": "g = lrrange.grid(lambda a: Loop(), {'a': [1]}, num_steps=50); g.__rich__(); g.plot()",
    "progress": "sys.stderr = Terminal(); lrrange.find_lr(Loop(), num_steps=50)",
    "command": "from lrrange.cli import main",
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_the_random_states_are_as_they_were(action, tmp_path):
    program = f"path = {str(tmp_path / 'plot.png')!r}\n" + PROGRAM.replace("{action}", action)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_training_that_draws_from_the_global_state_gives_the_same_losses_with_a_progress_bar():
    program = """
import io, os, random, sys, lrrange

class Terminal(io.StringIO):
    def isatty(self): return True

class Global:
    def step(self, lr): return random.random()
    def snapshot(self): return random.getstate()
    def restore(self, state): random.setstate(state)
    proves_rate = True

def losses(progress):
    random.seed(1)
    return lrrange.find_lr(Global(), num_steps=50, progress=progress).curve.loss, random.random()

os.environ["TERM"] = "xterm"
sys.stderr = Terminal()
with_bar, drawn = losses(None), sys.stderr.getvalue()
assert "50/50" in drawn
assert losses(False) == with_bar
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
