"""skorch imports torch_geometric where that is installed, and it calls what torch has deprecated."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import skorch  # noqa: F401
