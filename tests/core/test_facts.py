"""What is known of a training beside its curve: given by the user, found by the backend, kept in the result."""

import json
import math
from fractions import Fraction

import attrs
import pytest

from lrrange import TrainingFacts, compare, find_lr, grid, load
from lrrange.advice.heuristics import HEURISTICS, midway
from lrrange.advice.readings import read_answers, read_ranges
from lrrange.errors import LoadError, OptionError, PlanError, TargetError
from lrrange.protocol import KnowsFacts
from lrrange.result import dumps
from tests.core.strategies import Landscape
from tests.core.training import Loop, OwnLoop, SeededLoop

FOUND = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 1e-4, "steps_taken": 12}


class Knows(Loop):
    """A training whose backend knows these facts."""

    def __init__(self, **facts):
        super().__init__(Landscape(noise=0.02))
        self.found = facts

    def facts(self):
        return self.found


def test_without_a_backend_that_knows_anything_nothing_is_known():
    assert find_lr(Loop()).facts == TrainingFacts()
    assert not isinstance(Loop(), KnowsFacts)


def test_what_the_backend_finds_is_kept():
    assert isinstance(Knows(), KnowsFacts)
    assert find_lr(Knows(**FOUND)).facts == TrainingFacts(**FOUND)


def test_facts_that_this_version_does_not_know_are_left_out():
    assert find_lr(Knows(optimizer="adam", colour="red")).facts == TrainingFacts(optimizer="adam")


def test_a_driver_may_know_facts_only_after_its_run():
    class Driven(OwnLoop):
        seen = None

        def run(self, sweep):
            super().run(sweep)
            self.seen = len(sweep.points)

        def facts(self):
            return {"steps_taken": self.seen}

    result = find_lr(Driven())
    assert result.facts.steps_taken == len(result.curve)


@pytest.mark.parametrize(
    "facts",
    [
        {"optimizer": 3},
        {"momentum": "much"},
        {"momentum": math.nan},
        {"weight_decay": math.inf},
        {"steps_taken": -1},
        {"steps_taken": 1.5},
        {"train_steps": 0},
        {"train_steps": "all"},
    ],
    ids=repr,
)
def test_a_fact_that_cannot_be_one_is_an_error_of_the_backend_that_names_it(facts):
    with pytest.raises(TargetError, match=r"facts\(\) of a Knows returned a fact that cannot be one.*KnowsFacts"):
        find_lr(Knows(**facts))


def test_facts_that_are_no_mapping_are_an_error_of_the_backend():
    class Wrong(Loop):
        def facts(self):
            return ["sgd"]

    with pytest.raises(TargetError, match=r"facts\(\) of a Wrong returned a list"):
        find_lr(Wrong())


@pytest.mark.parametrize(("given", "stored"), [(1, 1), (5000, 5000), (10**9, 10**9), (True, 1)])
def test_the_number_of_steps_that_the_user_will_train_is_stored(given, stored):
    result = find_lr(Loop(), train_steps=given)
    assert result.facts.train_steps == stored


@pytest.mark.parametrize("steps", [0, -1, 1.5, "many", math.nan, [], Fraction(1, 2)])
def test_a_number_of_steps_that_is_none_is_refused_before_the_first_step(steps):
    target = Loop()
    with pytest.raises(PlanError, match="train_steps="):
        find_lr(target, train_steps=steps)
    assert target.log == []


def test_what_the_user_gives_counts_more_than_what_the_backend_finds():
    assert find_lr(Knows(train_steps=100)).facts.train_steps == 100
    assert find_lr(Knows(train_steps=100), train_steps=7).facts.train_steps == 7


def test_the_length_cannot_be_given_in_steps_and_in_epochs():
    target = Loop()
    with pytest.raises(OptionError, match="train_steps=100 and train_epochs=3 both say how long") as caught:
        find_lr(target, train_steps=100, train_epochs=3)
    assert (caught.value.train_steps, caught.value.train_epochs) == (100, 3)
    assert target.log == []


def test_every_cell_of_a_grid_is_for_the_same_length_or_its_own():
    cells = grid(lambda end: Loop(), {"end": [1, 2]}, train_steps=300)
    assert [cell.result.facts.train_steps for cell in cells] == [300, 300]
    own = grid(lambda end: (Loop(), {"train_steps": end}), {"end": [10, 20]})
    assert [cell.result.facts.train_steps for cell in own] == [10, 20]


def test_the_range_test_of_a_comparison_is_for_the_steps_of_its_runs():
    def make(seed):
        return SeededLoop(Landscape(noise=0.02, seed=seed))

    assert compare(make, ["found"], steps=30, repeats=1).range_test.facts.train_steps == 30
    chosen = compare(lambda seed: (make(seed), {"train_steps": 500}), ["found"], steps=30, repeats=1)
    assert chosen.range_test.facts.train_steps == 500


def test_facts_are_read_back_equal(tmp_path):
    for result in (find_lr(Knows(**FOUND), train_steps=9), find_lr(Loop())):
        result.save(tmp_path / "result.json")
        assert load(tmp_path / "result.json") == result
    document = json.loads(dumps(find_lr(Knows(**FOUND), train_steps=9)))
    assert document["result"]["facts"] == {**FOUND, "train_steps": 9}


def test_a_file_from_before_there_were_facts_is_read_as_one_that_knows_none(tmp_path):
    result = find_lr(Loop())
    document = json.loads(dumps(result))
    document["schema"] = 1
    del document["result"]["facts"]
    del document["result"]["provenance"]["untried"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    loaded = load(path)
    assert (loaded.facts, loaded.provenance.untried) == (TrainingFacts(), ())
    assert loaded == attrs.evolve(result, provenance=attrs.evolve(result.provenance, untried=()))
    assert loaded.lr == result.lr


def test_a_file_with_a_fact_that_cannot_be_one_is_damaged(tmp_path):
    document = json.loads(dumps(find_lr(Loop())))
    path = tmp_path / "result.json"
    for name, value in (("steps_taken", -1), ("train_steps", 0), ("momentum", "nan"), ("optimizer", 3), ("x", 1)):
        facts = {**document["result"]["facts"], name: value}
        path.write_text(json.dumps({**document, "result": {**document["result"], "facts": facts}}))
        with pytest.raises(LoadError, match="damaged"):
            load(path)


def test_only_the_default_heuristic_and_its_range_are_told_the_facts(monkeypatch):
    told = []

    def spy(curve, facts):
        told.append(facts)
        return midway(curve, facts)

    monkeypatch.setattr("lrrange.advice.readings.midway", spy)
    facts, curve = TrainingFacts(optimizer="muon"), Landscape().curve()
    heuristics = {**HEURISTICS, "midway": spy, "mine": lambda curve: 1e-3}
    answers = read_answers(curve, heuristics, facts=facts)
    assert told == [facts]
    assert [answer.heuristic for answer in answers] == [*HEURISTICS, "mine"]
    changed = {a.rule for a, b in zip(read_ranges(curve, facts), read_ranges(curve), strict=True) if a != b}
    assert changed == {"midway"}


def test_facts_are_values():
    assert hash(TrainingFacts(optimizer="sgd")) == hash(TrainingFacts(optimizer="sgd"))
    with pytest.raises(AttributeError):
        TrainingFacts().optimizer = "sgd"
