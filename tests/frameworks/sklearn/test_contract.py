"""A sweep leaves no trace: every check of the contract, on every form of target."""

from collections.abc import Callable

import pytest

from lrrange import testing
from lrrange.testing import MakeRig
from tests.frameworks.sklearn.rigs import ESTIMATORS, NETS

named = pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)


@pytest.mark.shows("scikit-learn", "exact")
@pytest.mark.parametrize("make_rig", ESTIMATORS, ids=lambda make_rig: make_rig.__name__)
@named
def test_an_estimator_keeps_the_contract(check: Callable[[MakeRig], None], make_rig: MakeRig) -> None:
    check(make_rig)


@pytest.mark.shows("skorch", "exact")
@pytest.mark.parametrize("make_rig", NETS, ids=lambda make_rig: make_rig.__name__)
@named
def test_a_net_keeps_the_contract(check: Callable[[MakeRig], None], make_rig: MakeRig) -> None:
    check(make_rig)
