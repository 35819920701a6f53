"""What an optax state tells about a training: the kind of the optimizer, its momentum and weight decay, its steps."""

from typing import Any

import jax

from lrrange_jax.rates import Rates

# The kind of optimizer by the class of a state that it keeps, in the order in which they count: Muon has an Adam beside
# it. Lamb, NAdam and the like are of Adam's.
_KINDS = {
    "MuonState": "muon",
    "ScaleByLBFGSState": "lbfgs",
    "FactoredState": "adafactor",
    "ScaleByLionState": "sign",
    "ScaleByRpropState": "sign",
    "ScaleByAdaDeltaState": "adadelta",
    "ScaleByRssState": "adagrad",
    "ScaleByAdamState": "adam",
    "ScaleByAmsgradState": "adam",
    "ScaleByAdanState": "adam",
    "ScaleByBeliefState": "adam",
    "ScaleByRmsState": "rmsprop",
    "ScaleByRStdDevState": "rmsprop",
    "TraceState": "sgd",
}

# States of what is put around an optimizer, and of one that keeps nothing, as SGD without momentum.
_STATELESS = (
    *("EmptyState", "InjectStatefulHyperparamsState", "InjectHyperparamsState", "MaskedState", "MaskedNode"),
    *("PartitionState", "MultiTransformState", "MultiStepsState"),
)


def facts_of(optimizer_state: Any, rates: Rates, state: Any = None) -> dict[str, Any]:
    """Return what is known of a training, for `facts()` of a backend.

    Args:
        optimizer_state: the state of optax, or something that holds it.
        rates: in `state`.
        state: what the positions of `rates` are in; the same by default.
    """
    leaves = jax.tree_util.tree_leaves(optimizer_state if state is None else state)
    facts: dict[str, Any] = {}
    if rates.counts:
        facts["steps_taken"] = max(int(leaves[position]) for position in rates.counts)
    names = _classes_in(optimizer_state)
    injected = _hyperparameters(optimizer_state)
    kind = next((kind for name, kind in _KINDS.items() if name in names), None)
    if kind is None and all(name in _STATELESS for name in names):
        kind = "sgd"
    momentum = injected.get("momentum", injected.get("b1", injected.get("beta1")))
    if kind == "sgd" and "TraceState" in names and momentum is None:
        return facts  # with a momentum, of which only that is known
    if kind is not None:
        facts |= {"optimizer": kind, "momentum": momentum, "weight_decay": injected.get("weight_decay")}
    return {name: value for name, value in facts.items() if value is not None}


def _classes_in(tree: Any) -> list[str]:
    """Return the names of the classes of all states of optax in a tree."""
    names: list[str] = []

    def note(node: Any) -> bool:
        if type(node).__module__.partition(".")[0] == "optax":
            names.append(type(node).__name__)
        return False

    jax.tree_util.tree_leaves(tree, is_leaf=note)
    return names


def _hyperparameters(tree: Any) -> dict[str, float]:
    """Return the first value of each injected hyperparameter by name."""
    found: dict[str, float] = {}

    def note(node: Any) -> bool:
        if isinstance(getattr(node, "hyperparams", None), dict):
            for name, value in node.hyperparams.items():
                leaves = jax.tree_util.tree_leaves(value)  # the value itself, or the one in a Variable of NNX
                if len(leaves) == 1 and getattr(leaves[0], "size", 1) == 1:
                    found.setdefault(name, float(leaves[0]))
        return False

    jax.tree_util.tree_leaves(tree, is_leaf=note)
    return found
