"""The order in which a target asks for samples, by hand and by property."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthkd.recipe import TargetPart
from synthkd.stages.target.order import SampleSelection, UnitOrder, order_place
from synthkd.stages.target.rounds import TargetRounds
from synthkd.stages.target.sizing import ObservedYield


def order_of(inputs: dict[str, int], lengths: tuple[int, ...] = (1, 2, 4), plain: int = 2):
    places = {
        value: np.sort([order_place(f"{value}{i}") for i in range(count)])
        for value, count in inputs.items()
    }
    return UnitOrder("value", lengths, plain, places)


def selected(selection: SampleSelection, inputs: dict[str, int]) -> dict[str, int]:
    return {
        f"{value}{i}": selection.samples(f"{value}{i}", {"value": value})
        for value, count in inputs.items()
        for i in range(count)
    }


def test_every_input_has_its_first_step_before_one_has_its_second() -> None:
    inputs = {"a": 5}
    samples = [selected(order_of(inputs).selection({"a": k}), inputs) for k in (3, 5, 6, 10, 15)]
    assert [sorted(counts.values()) for counts in samples] == [
        [0, 0, 1, 1, 1], [1] * 5, [1, 1, 1, 1, 2], [2] * 5, [4] * 5
    ]  # fmt: skip


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 20), min_size=1),
    st.data(),
)
def test_a_selection_has_the_samples_that_the_order_counts_and_grows_by_its_end(
    inputs: dict[str, int], data: st.DataObject
) -> None:
    order = order_of(inputs)
    few = {value: data.draw(st.integers(0, order.units(value))) for value in inputs}
    more = {value: data.draw(st.integers(few[value], order.units(value))) for value in inputs}
    before = selected(order.selection(few), inputs)
    after = selected(order.selection(more), inputs)
    assert all(before[name] <= after[name] for name in before)
    assert sum(after.values()) == sum(order.samples(value, more[value]) for value in inputs)


@given(st.integers(1, 30), st.data())
def test_units_within_a_number_of_samples_are_as_many_as_fit(
    count: int, data: st.DataObject
) -> None:
    order = order_of({"a": count})
    begin = data.draw(st.integers(0, order.units("a")))
    samples = data.draw(st.integers(0, 200))
    units = order.units_within("a", begin, samples)
    cost = order.samples("a", begin + units) - order.samples("a", begin)
    assert cost <= samples
    if begin + units < order.units("a"):
        assert order.samples("a", begin + units + 1) - order.samples("a", begin) > samples


def test_a_selection_is_the_same_after_a_worker_read_it() -> None:
    selection = order_of({"a": 7, "b": 3}).selection({"a": 9, "b": 3})
    assert SampleSelection.of(selection.as_dict()) == selection


def test_a_limit_is_shared_by_the_values_that_want_more(tmp_path) -> None:
    part = TargetPart(accepted=50, per="value", at_most={"completions": 10})
    order = order_of({"a": 100, "b": 100}, (1,), 1)
    rounds = TargetRounds(part, order, 1, tmp_path / "target.json", "key")
    rounds.begin()
    assert rounds.rounds[0].units == {"a": 5, "b": 5}
    seen = {value: ObservedYield(5, 2, 2, 0) for value in "ab"}
    assert not rounds.close(seen, 10, 0, "", True)
    assert rounds.ended == "at_most"


def test_rounds_of_another_recipe_or_a_damaged_file_begin_again(tmp_path) -> None:
    part, path = TargetPart(accepted=5, per="value"), tmp_path / "target.json"
    order = order_of({"a": 100})
    first = TargetRounds(part, order, 1, path, "key", "critic")
    first.begin()
    assert first.close({"a": ObservedYield(5, 2, 2, 0)}, 5, 0, "", True)
    again = TargetRounds(part, order, 1, path, "key", "critic")
    assert [one.units for one in again.rounds] == [one.units for one in first.rounds]
    assert again.rounds[0].seen == {"a": ObservedYield(5, 2, 2, 0)}
    assert TargetRounds(part, order, 1, path, "other", "critic").rounds == []
    assert TargetRounds(part, order, 1, path, "key", "other").rounds == []
    assert len(TargetRounds(part, order, 1, path, "key").rounds) == 2
    path.write_text(path.read_text().replace('"units"', '"unit"'))
    assert TargetRounds(part, order, 1, path, "key", "critic").rounds == []
