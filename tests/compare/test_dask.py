import pytest
from distributed import Client, LocalCluster

from tests.compare.training import compare, make_reporting_process, untimed


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_two_dask_workers_give_the_same_numbers_as_one_after_another(client):
    assert untimed(compare(executor=client.get_executor())) == untimed(compare())


def test_runs_are_spread_over_both_workers(client):
    comparison = compare(make_reporting_process, repeats=4, executor=client.get_executor())
    assert len({run.details["process"] for run in comparison.runs}) == 2
