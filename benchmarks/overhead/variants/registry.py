"""All variants by name.

A variant first prepares what a user already has, such as an optimizer or a Trainer. It returns a function that runs the
steps of the job, and only that function is measured.
"""

from collections.abc import Callable

from benchmarks.overhead.variants import bare_loops as loops
from benchmarks.overhead.variants import lrrange as own
from benchmarks.overhead.variants import peers
from benchmarks.overhead.variants.bare_loops import Run
from benchmarks.overhead.workloads import Job

Variant = Callable[[Job], Run]

LOOPS = (loops.bare, loops.bare_item, loops.floor)
OWN = (
    own.lrrange_torch,
    own.lrrange_paired,
    own.lrrange_printed,
    own.lrrange_verified,
    own.lrrange_disk,
    own.lrrange_own_step,
    own.lrrange_lightning,
)
PEERS = (peers.torch_lr_finder, peers.monai, peers.ignite, peers.lightning, peers.fastai)
FITS = (peers.ignite_run, peers.lightning_fit, peers.fastai_fit)

VARIANTS: dict[str, Variant] = {variant.__name__: variant for variant in (*LOOPS, *OWN, *PEERS, *FITS)}

BASELINE = "bare"

# A sweep without and with the digests of `verify_restore=True`.
VERIFYING = (own.lrrange_torch.__name__, own.lrrange_verified.__name__)
