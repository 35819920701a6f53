"""Keep everything that a training step can change, put it back, and check that it is back."""
