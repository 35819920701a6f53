"""The example runs, and trains well at the rate that it finds."""

from examples import accelerate_digits
from tests.frameworks.accelerate.trainings import MakeAccelerator


def test_the_example_trains_at_a_rate_that_it_proves(accelerators: MakeAccelerator) -> None:
    accelerators()
    result, accuracy = accelerate_digits.main()
    assert 1e-4 < result.lr < 0.1
    assert accuracy > 0.9
