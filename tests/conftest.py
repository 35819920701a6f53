"""Hypothesis as the gate runs it: the same examples every time, few enough for a minute, and no clock.

`pytest --hypothesis-profile=explore` looks for new ones.
"""

import os

from hypothesis import Phase, settings

settings.register_profile(
    "gate",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("gate")

# Trackers report how they are used to those who make them, from a thread and over the network.
os.environ |= {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}

# Keras reads its backend when it is imported, and TensorFlow, its default, is not installed.
os.environ.setdefault("KERAS_BACKEND", "torch")
