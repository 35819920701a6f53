"""TensorBoard itself, started as a user starts it, shows what `TensorBoardWatcher` wrote."""

import json
import shutil
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from lrrange_trackers import TensorBoardWatcher

from tests.trackers.training import compare, find

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# In seconds. Long enough for the busiest machine; nothing waits for it.
LONG = 120


@pytest.fixture(scope="module")
def result_and_page(tmp_path_factory):
    """A range test, and the address of a TensorBoard that shows it and a comparison."""
    folder = tmp_path_factory.mktemp("logs")
    watcher = TensorBoardWatcher(folder)
    result = find(watcher)
    compare(watcher, repeats=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--load_fast", "false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        page = f"http://127.0.0.1:{port}"
        _wait_for(page, server)
        yield result, page
    finally:
        server.terminate()
        server.wait()


def _wait_for(page, server):
    end = time.monotonic() + LONG
    while server.poll() is None and time.monotonic() < end:
        try:
            runs = json.load(urlopen(f"{page}/data/plugin/text/tags"))
        except URLError:
            runs = {}
        if len(runs) == 3:  # the text is the last thing that is written in each
            return
        time.sleep(0.2)
    raise AssertionError("TensorBoard did not start")


def test_its_api_gives_the_loss_by_rate_the_answer_and_the_runs(result_and_page):
    result, page = result_and_page

    def ask(path):
        return json.load(urlopen(page + path))

    tags = ask("/data/plugin/scalars/tags")
    assert set(tags) == {"range test", "0.1/seed 0", "one%2Fcycle/seed 0"}
    names = ("loss", "smoothed loss", "lr", "loss by lr", "smoothed loss by lr")
    assert set(tags["range test"]) == {f"range test/{name}" for name in names}
    assert set(tags["0.1/seed 0"]) == {"comparison/loss", "comparison/held-out loss", "comparison/lr"}
    by_rate = ask(f"/data/plugin/scalars/scalars?run={quote('range test')}&tag={quote('range test/loss by lr')}")
    assert [10 ** (step / 1000) for _, step, _ in by_rate] == pytest.approx(list(result.curve.lr), rel=2e-3)
    assert [loss for _, _, loss in by_rate] == pytest.approx(list(result.curve.loss))
    (text,) = ask(f"/data/plugin/text/text?run={quote('range test')}&tag={quote('range test/answer')}")
    assert f"<td>{result.lr:.3g}</td>" in text["text"]
    (picture,) = ask(f"/data/plugin/images/images?run={quote('range test')}&tag={quote('range test/curve')}&sample=0")
    png = urlopen(f"{page}/data/plugin/images/individualImage?{picture['query']}").read()
    assert png.startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed; the test above asks as its page does")
def test_its_page_shows_a_card_for_the_loss_by_rate_and_the_runs(result_and_page, tmp_path):
    _, page = result_and_page
    expected = {"range test/loss by lr", "range test/curve", "0.1/seed 0"}
    end, missing = time.monotonic() + LONG, expected
    while missing and time.monotonic() < end:  # a headless browser sometimes dumps the page before it has its data
        shown = _open(f"{page}/?tagFilter=range#timeseries", tmp_path)
        missing = {text for text in expected if text not in shown}
    assert not missing


def _open(address, profile):
    """Return the page at this address, once its scripts have run, as a headless browser shows it."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--window-size=1400,2000"]
    command = [BROWSER, *options, "--virtual-time-budget=20000", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONG, check=True).stdout
