import functools
from collections.abc import Callable
from typing import Any

import pytest

from lrrange import testing
from tests.lightning.rigs import RIGS


@pytest.mark.parametrize("make_rig", RIGS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_fresh_trainer_keeps_the_contract(
    check: Callable[[testing.MakeRig], None], make_rig: Callable[[Any], testing.Rig], package: Any
) -> None:
    check(functools.partial(make_rig, package))
