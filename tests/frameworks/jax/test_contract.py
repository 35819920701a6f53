"""The contract of `lrrange.testing`, for a training of each form."""

import pytest

from lrrange import testing
from tests.frameworks.jax.rigs import RIGS


@pytest.mark.shows("JAX", "exact")
@pytest.mark.shows("Flax NNX", "exact")
@pytest.mark.shows("Equinox", "exact")
@pytest.mark.parametrize("make_rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_the_jax_backend_keeps_the_contract(check, make_rig):
    check(make_rig)
