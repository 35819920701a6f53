from collections.abc import Callable

import pytest

from lrrange import testing
from tests.backend_torch.rigs import RIGS


@pytest.mark.parametrize("make_rig", RIGS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_the_torch_backend_keeps_the_contract(
    check: Callable[[testing.MakeRig], None], make_rig: testing.MakeRig
) -> None:
    check(make_rig)
