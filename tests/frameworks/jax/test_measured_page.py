"""The table and the plot of the page are those of the stored measurements."""

import json

from benchmarks.frameworks import jax_sweeps


def test_the_table_and_the_plot_of_the_page_are_drawn_from_the_stored_results(tmp_path):
    record = json.loads(jax_sweeps.RESULTS.read_text())
    assert jax_sweeps.table_of(record) in jax_sweeps.PAGE.read_text()
    assert all(
        str(count) in work["times_one_sweep"] for work in record["workloads"].values() for count in (1, 2, 4, 8, 16)
    )
    assert "jax_sweeps" in record["command"]
    jax_sweeps.draw(record, tmp_path / "plot")
    assert all((tmp_path / f"plot-{theme}.svg").stat().st_size > 1000 for theme in ("light", "dark"))


def test_a_measurement_takes_the_sweeps_together(monkeypatch):
    monkeypatch.setattr(jax_sweeps, "COUNTS", (1, 2))
    monkeypatch.setattr(jax_sweeps, "PLAN", jax_sweeps.SweepPlan(start_lr=1e-6, end_lr=1e-2, num_steps=5))
    measured = jax_sweeps.measure((4, 4, 2), 8, 1)
    assert measured["times_one_sweep"]["2"]["n"] == 1
