"""Where the default heuristic refuses, every way to an answer raises its reason, and the other answers stand beside."""

import json
import math

import attrs
import pytest

from lrrange import (
    Suggestion,
    TrainingFacts,
    compare,
    exp_range,
    find_lr,
    grid,
    hookimpl,
    load,
    make_schedule,
    one_cycle,
    triangular,
    triangular2,
)
from lrrange.errors import FlatCurve, OnlyRises, RatesTooFarApart, StillFalls
from lrrange.result import dumps
from tests.core.strategies import Landscape
from tests.core.training import Loop, SeededLoop

# Trainings that the default heuristic refuses although others answer, with the class of the refusal.
REFUSED = {
    "still falls": (StillFalls, Landscape(blow_up=math.inf, fall=-2.0, noise=0.01), {"end_lr": 0.02}),
    "too coarse": (RatesTooFarApart, Landscape(noise=0.01), {"num_steps": 16}),
    "falls late": (StillFalls, Landscape(blow_up=math.inf, fall=-1.2, noise=0.01), {"end_lr": 0.2}),
}

# Trainings that every heuristic refuses.
SILENT = {
    "flat": (FlatCurve, Landscape(fall=math.inf, blow_up=math.inf, noise=0.02)),
    "noise alone": (FlatCurve, Landscape(fall=math.inf, blow_up=math.inf, noise=1.0)),
    "rises at once": (OnlyRises, Landscape(fall=math.inf, blow_up=-6.9, noise=0.001)),
}


def refused(case):
    kind, landscape, options = REFUSED[case]
    return kind, find_lr(Loop(landscape), **options)


class Takes:
    """A plug-in that sets the rate of a list, and makes a schedule for it."""

    @hookimpl
    def lrrange_apply(self, optimizer, lr):
        return {"lr": optimizer.append(lr)} if isinstance(optimizer, list) else None

    @hookimpl
    def lrrange_schedule(self, optimizer, bounds):
        return bounds if isinstance(optimizer, list) else None


WAYS = {
    "lr": lambda result: result.lr,
    "low": lambda result: result.low,
    "high": lambda result: result.high,
    "interval": lambda result: result.interval,
    "verdict": lambda result: result.verdict,
    "apply": lambda result: result.apply([]),
    "make_schedule triangular": lambda result: make_schedule([], result, "triangular"),
    "make_schedule triangular2": lambda result: make_schedule([], result),
    "make_schedule one_cycle": lambda result: make_schedule([], result, "one_cycle"),
    "triangular": lambda result: triangular(result, steps_per_half_cycle=10),
    "triangular2": lambda result: triangular2(result, steps_per_half_cycle=10),
    "exp_range": lambda result: exp_range(result, steps_per_half_cycle=10),
    "one_cycle": lambda result: one_cycle(result, total_steps=100),
    "compare found": lambda result: compare(lambda seed: Loop(), ["found"], steps=4, result=result),
    "compare clr": lambda result: compare(lambda seed: Loop(), ["clr"], steps=4, result=result),
    "compare one-cycle": lambda result: compare(lambda seed: Loop(), ["one-cycle"], steps=4, result=result),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", REFUSED)
def test_every_way_to_a_refused_answer_raises_the_reason(case, way, registered):
    registered(Takes(), "takes")
    kind, result = refused(case)
    assert any(isinstance(answer, Suggestion) for answer in result.answers)
    with pytest.raises(kind) as caught:
        WAYS[way](result)
    assert str(caught.value).startswith(result.chosen.reason)


@pytest.mark.parametrize("case", REFUSED)
def test_the_reason_offers_the_other_answers_for_those_who_want_them_all_the_same(case):
    _, result = refused(case)
    text = str(result.refusal)
    answered = [answer for answer in result.answers if isinstance(answer, Suggestion)]
    for answer in answered:
        assert f"{answer.heuristic} {answer.lr:.2g}" in text
    assert 'choose one, as heuristic="valley".' in text
    chosen = result.with_heuristic("valley")
    assert chosen.lr == next(answer.lr for answer in answered if answer.heuristic == "valley")
    assert chosen.refusal is None


@pytest.mark.parametrize("case", SILENT)
def test_where_no_heuristic_answers_none_is_offered(case):
    kind, landscape = SILENT[case]
    result = find_lr(Loop(landscape), start_lr=1e-7)
    assert type(result.refusal) is kind
    assert "heuristic=" not in str(result.refusal)


def test_a_heuristic_that_the_user_chose_offers_no_other():
    result = find_lr(Loop(Landscape(fall=math.inf, blow_up=-2.0, noise=0.02)), heuristic="steepest")
    assert isinstance(result.answers[0], Suggestion)
    assert "heuristic=" not in str(result.refusal)


def test_a_fall_that_noise_hides_is_looked_for_with_options_that_were_not_used_and_can_be():
    noisy = Landscape(fall=math.inf, blow_up=math.inf, noise=1.0)
    assert "To see a fall that the noise hides, give paired=True or repeats=3." in str(
        find_lr(SeededLoop(noisy)).refusal
    )
    for result in (find_lr(SeededLoop(noisy), repeats=2), find_lr(Loop(noisy))):  # used, and impossible
        assert type(result.refusal) is FlatCurve
        assert "repeats" not in str(result.refusal)
    paired = find_lr(Loop(noisy))
    paired = attrs.evolve(paired, provenance=attrs.evolve(paired.provenance, untried=("paired", "repeats")))
    assert "give paired=True or repeats=3." in str(paired.refusal)


def test_a_loss_that_is_exactly_constant_hides_nothing_in_its_noise():
    class Constant(SeededLoop):
        def loss(self, lr):
            return 2.3

    assert "noise hides" not in str(find_lr(Constant()).refusal)


def test_the_file_and_the_reread_file_are_silent_too(tmp_path):
    kind, result = refused("still falls")
    assert json.loads(dumps(result))["answer"] == {"refused": str(result.refusal)}
    result.save(tmp_path / "result.json")
    again = load(tmp_path / "result.json")
    with pytest.raises(kind) as caught:
        _ = again.lr
    assert str(caught.value) == str(result.refusal)


def test_a_cell_of_a_grid_is_silent_without_stopping_the_others():
    _, landscape, _ = REFUSED["still falls"]
    cells = grid(lambda end: (Loop(landscape), {"end_lr": end}), {"end": [0.02, 100.0]}, num_steps=120)
    assert isinstance(cells[0].result.refusal, StillFalls)
    assert math.isnan(cells.max_lr[0])


def test_no_trials_confirm_an_answer_that_was_refused():
    result = find_lr(Loop(Landscape(blow_up=math.inf, fall=-2.0, noise=0.01)), end_lr=0.02, confirm=True)
    assert result.confirmation is None
    with pytest.raises(StillFalls):
        _ = result.lr


def test_an_answer_is_not_a_refusal():
    result = find_lr(Loop())
    assert result.refusal is None
    assert result.interval == (result.low, result.high)


@pytest.mark.parametrize("facts", [TrainingFacts(), TrainingFacts(optimizer="sgd", steps_taken=3)])
def test_reading_again_by_another_heuristic_keeps_what_is_known_of_the_training(facts):
    result = attrs.evolve(find_lr(Loop()), facts=facts)
    assert result.with_heuristic("valley").facts == facts
