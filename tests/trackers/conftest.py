import pytest

import lrrange
from tests.trackers.training import CONFIRM, make, random_states


@pytest.fixture(scope="session")
def unwatched():
    """The result of the range test without any watcher."""
    model, made = make()
    return lrrange.find_lr(model, **made, **CONFIRM)


@pytest.fixture
def changes_nothing(unwatched):
    """Check that a range test with this watcher restores every bit, and measures the same losses as without it."""

    def check(watcher):
        model, made = make()
        before, weights = random_states(), [weight.tolist() for weight in model.parameters()]
        result = lrrange.find_lr(model, **made, **CONFIRM, watchers=[watcher], verify_restore=True)
        assert random_states() == before
        assert [weight.tolist() for weight in model.parameters()] == weights
        assert (result.curve, result.confirmation) == (unwatched.curve, unwatched.confirmation)
        return result

    return check
