"""The names that users and plug-ins write in their code. They go on working where they are.

Each list is written out: whoever adds, renames or removes a public name changes it here as well, and the changelog.
"""

from importlib import import_module

import pytest

# Lightning looks at torch's trees in a way that torch has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:.isinstance\(treespec, LeafSpec\). is deprecated:FutureWarning")

# All that these promise, no more and no less.
WHOLE = {
    "lrrange": [
        "AdaptivePlan",
        "Comparison",
        "Confirmation",
        "Curve",
        "Cycle",
        "Divergence",
        "Driver",
        "Grid",
        "GridCell",
        "LRRange",
        "LRRangeError",
        "NoSuggestion",
        "NoWinner",
        "OneCycle",
        "Point",
        "Policy",
        "Provenance",
        "RangeTestResult",
        "Refusal",
        "Run",
        "StopReason",
        "Suggestion",
        "Sweep",
        "SweepPlan",
        "TrainingFacts",
        "TrainingStep",
        "Trial",
        "Verdict",
        "compare",
        "exp_range",
        "find_lr",
        "grid",
        "hookimpl",
        "list_plugins",
        "load",
        "make_schedule",
        "one_cycle",
        "register",
        "triangular",
        "triangular2",
        "unregister",
        "write_report",
    ],
    "lrrange.spelling": ["attribute_error", "did_you_mean", "spell_checked"],
    "lrrange.protocol": [
        "DeferredLoss",
        "Digestible",
        "Driver",
        "Evaluates",
        "EvaluatesBatches",
        "KnowsFacts",
        "LoopDriver",
        "OPTIONS_OF_VERIFY",
        "ProvedRate",
        "ProvesRate",
        "RateProof",
        "RecognisesBlowUps",
        "Replica",
        "Replicates",
        "Reports",
        "Seedable",
        "SetsMomentum",
        "StartsFrom",
        "StepDriver",
        "SuggestsBounds",
        "TrainingStep",
        "between_steps",
        "check_steps",
        "deferred_interrupts",
        "is_blow_up",
        "kept_random_state",
        "raised_by_a_signal",
        "split_made",
        "with_options",
    ],
    "lrrange_torch": ["RateGuard", "batches", "verify"],
    "lrrange_transformers": ["LRRangeTest", "VerifyRate"],
    "lrrange_keras": ["LRRangeTest", "VerifyRate"],
    "lrrange_torch.stop_iteration": ["error_instead", "is_end_of_data"],
    "lrrange_lightning": ["LRRangeTest", "VerifyRate", "callback_class", "package_of"],
    "lrrange_clr": ["ScheduleLR", "cyclical", "one_cycle"],
    "lrrange_trackers": ["MLflowWatcher", "TensorBoardWatcher", "WandbWatcher"],
}

# These may have more.
AT_LEAST = {
    "lrrange.errors": [
        "LRRangeError",
        "PlanError",
        "LossError",
        "SweepStateError",
        "CurveError",
        "NoSuggestion",
        "TooFewPoints",
        "NoDescent",
        "FlatCurve",
        "OnlyRises",
        "StillFalls",
        "RatesTooFarApart",
        "NonFiniteLosses",
        "EndedEarly",
        "NotKeptWarning",
        "NotPairedWarning",
        "UnknownName",
        "BackendNotFound",
        "PluginUnavailable",
        "MissingExtra",
        "TargetError",
        "OptionError",
        "NoData",
        "RateNotInForce",
        "ProcessFailed",
        "RestoreFailed",
        "SaveError",
        "LoadError",
        "UnreadableFile",
    ],
    "lrrange.hookspecs": [
        "hookspec",
        "hookimpl",
        "lrrange_adapt",
        "lrrange_offer_heuristics",
        "lrrange_schedule",
        "lrrange_apply",
        "lrrange_started",
        "lrrange_advanced",
        "lrrange_finished",
        "lrrange_trial_started",
        "lrrange_trial_advanced",
        "lrrange_trial_finished",
        "lrrange_found",
        "lrrange_failed",
        "lrrange_run_started",
        "lrrange_run_advanced",
        "lrrange_run_finished",
        "lrrange_compared",
    ],
    "lrrange.testing": [
        "Rig",
        "MakeRig",
        "check_training_changes_what_is_observed",
        "check_state_is_back_after_a_sweep",
        "check_state_is_back_after_training_has_begun",
        "check_state_is_back_after_an_error",
        "check_state_is_back_after_ctrl_c",
        "check_a_second_sweep_gives_the_same_curve",
        "check_a_seeded_sweep_is_repeatable_and_leaves_no_trace",
        "check_the_rate_has_an_effect",
        "check_training_after_a_sweep_equals_training_without_one",
        "check_an_unknown_option_is_refused_before_the_first_step",
        "check_a_paired_sweep_sees_its_batches_again",
        "CHECKS",
        "check_backend",
    ],
    "lrrange.cyclical": [
        "CycleMode",
        "Anneal",
        "Bounds",
        "EPOCHS_PER_HALF_CYCLE",
        "GAMMA",
        "DIV_FACTOR",
        "Schedule",
        "ScheduleKind",
        "ScheduledRate",
        "Cycle",
        "OneCycle",
        "bounds_for",
        "half_cycle_steps",
        "triangular",
        "triangular2",
        "exp_range",
        "one_cycle",
    ],
    "lrrange.plugins": ["Plugin"],
    "lrrange.cli": ["main"],
    "lrrange.finder": ["find_lr", "is_main_process"],
    "lrrange.sweep": ["Point", "StopReason", "Sweep", "mean_recorded", "paired_curve"],
    "lrrange_torch.loader_step": ["LoaderStep"],
    "lrrange_torch.own_step": ["OwnStep"],
    "lrrange_torch.demo": ["LeNet", "make", "make_points"],
    "lrrange_torch.tensorboard": ["TensorBoardWatcher"],
    "lrrange_lightning.driver": ["TrainerDriver"],
    "lrrange_clr.lightning": ["CyclicalLR", "configure_optimizers"],
}

PROMISED = [(module, name) for module, names in {**WHOLE, **AT_LEAST}.items() for name in names]


@pytest.mark.parametrize(("module", "name"), PROMISED, ids=[".".join(promise) for promise in PROMISED])
def test_a_promised_name_can_be_imported_from_its_promised_place(module, name):
    # As a user's `from module import name` does it.
    taken = {}
    exec(f"from {module} import {name}", taken)
    assert taken[name] is not None


@pytest.mark.parametrize("module", WHOLE)
def test_a_front_door_promises_these_names_and_no_other(module):
    promised, listed = set(import_module(module).__all__), set(WHOLE[module])
    assert promised == listed, (
        f"{module}.__all__ has gained {sorted(promised - listed)} and lost {sorted(listed - promised)}. A new name is "
        f"added to WHOLE in this file and to a page of docs/reference. A lost one breaks users' code: put it back."
    )


@pytest.mark.parametrize("module", AT_LEAST)
def test_a_module_with_a_list_of_its_own_has_the_promised_names_in_it(module):
    promised = getattr(import_module(module), "__all__", AT_LEAST[module])
    missing = sorted(set(AT_LEAST[module]) - set(promised))
    assert not missing, f"Add {', '.join(missing)} to the __all__ of {module}: they are promised."


@pytest.mark.parametrize("module", [module for module in {**WHOLE, **AT_LEAST} if module.startswith("lrrange.")])
def test_a_name_of_the_front_door_is_the_same_thing_beside_it(module):
    front_door = import_module("lrrange")
    shared = set({**WHOLE, **AT_LEAST}[module]) & set(WHOLE["lrrange"])
    assert [name for name in shared if getattr(import_module(module), name) is not getattr(front_door, name)] == []
