"""The README as a package index shows it: no relative link, and each link to the repository leads to a file."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
import torch
import yaml
from markdown_it import MarkdownIt

from benchmarks.quality.report.tables.bank import PUBLIC_PAGE
from lrrange.cli.command_line import _ISSUES
from tests.docs.pages import ROOT, blocks

README = ROOT / "README.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
RAW = REPOSITORY.replace("https://github.com/", "https://raw.githubusercontent.com/")


def links(page: Path) -> list[str]:
    """Return every target of a link or an image, as Markdown finds them."""
    html = MarkdownIt("commonmark").enable("table").render(page.read_text())
    return re.findall(r'(?:href|src)="([^"]+)"', html)


def place(link: str) -> Path | None:
    """Return the file or folder of this checkout that a link to the repository means; None for other links."""
    for prefix in (f"{REPOSITORY}/blob/main/", f"{REPOSITORY}/tree/main/", f"{RAW}/main/"):
        if link.startswith(prefix):
            return ROOT / link.removeprefix(prefix).partition("#")[0]
    return None


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_the_readme_is_absolute_and_none_is_left_unresolved():
    found = links(README)
    assert len(found) > 15
    assert [link for link in found if not link.startswith("https://")] == []
    rendered = MarkdownIt("commonmark").render(README.read_text())
    assert re.findall(r"(?<!\w)\[[A-Z][^\]<]*\](?!\()", re.sub(r"<(pre|code)>.*?</\1>", "", rendered, flags=re.S)) == []


def test_every_link_to_the_repository_leads_to_a_file_of_this_checkout():
    places = {link: place(link) for link in links(README) if link.startswith((REPOSITORY, RAW))}
    assert len(places) > 15
    for link, file in places.items():
        assert file is not None, f"{link} is neither a file nor a folder of the repository"
        assert file.is_dir() if "/tree/" in link else file.is_file(), f"{link}: there is no {file}"
        if "#" in link:
            assert link.partition("#")[2] in anchors(file), f"{link}: {file.name} has no such heading"


def test_the_picture_is_one_that_an_index_can_show():
    (picture,) = [link for link in links(README) if place(link) and place(link).suffix in (".png", ".svg")]
    assert picture.startswith(RAW)
    assert place(picture).read_bytes().startswith(b"\x89PNG")


def test_the_first_thing_to_type_is_pip_install_and_then_the_commands_of_a_checkout():
    typed = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.M | re.S)
        for line in block.splitlines()
    ]
    assert [line.split("#")[0].strip() for line in typed] == [
        "pip install 'lrrange[torch]'",
        "make demo",
        "make test",
        "make frameworks",
    ]


def test_the_first_command_needs_no_more_than_the_first_install():
    """The wheel's own test, `.ci/test-wheel`, types it after that install."""
    commands = re.findall(r"^\$ (lrrange .*)$", README.read_text(), re.M)
    assert commands[0].split()[1:3] == ["find", "lrrange_torch.demo:make_points"]
    assert [command for command in commands if "--plot" in command or " plot " in command] == []


def test_the_answer_that_the_readme_shows_is_the_one_that_its_code_gives():
    text = README.read_text()
    namespace, random_state = {}, torch.get_rng_state()
    for _, code, _ in list(blocks(text, "python"))[:2]:
        exec(code, namespace)
    torch.set_rng_state(random_state)
    result = namespace["result"]
    ((_, shown, _),) = blocks(text, "text")
    rates = [float(rate) for line in shown.splitlines()[:3] for rate in re.findall(r"\d\.\d+e[-+]\d+", line)]
    # Not to the last digit, because the last bits of a loss differ between processors.
    assert rates == pytest.approx(
        [result.lr, result.range.base_lr, result.range.max_lr, result.low, result.high], rel=0.05
    )
    assert f"verdict  {str(result.verdict).split(':')[0]}" in shown
    assert f"at step {len(result.curve)} of {result.plan.num_steps}" in shown


def test_every_url_of_the_project_leads_to_the_repository_and_to_a_file_of_it():
    for name, url in PROJECT["urls"].items():
        assert url.startswith(REPOSITORY), name
        assert url in (REPOSITORY, f"{REPOSITORY}/issues") or place(url).is_file()


def test_code_that_names_the_repository_names_the_same():
    assert PROJECT["urls"]["Issues"] == _ISSUES
    assert place(PUBLIC_PAGE).is_file()


def test_the_citation_has_the_fields_of_its_format_and_agrees_with_the_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert citation["repository-code"] == citation["url"] == REPOSITORY


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the wheel and the source archive; return their folder."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return folder


def metadata(text: str) -> dict[str, list[str]]:
    message = message_from_string(text)
    return {name: message.get_all(name) for name in set(message)} | {"body": [message.get_payload()]}


def test_both_archives_describe_the_project_as_an_index_reads_it(built):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        of_wheel = metadata(archive.read(name).decode())
    with tarfile.open(source) as archive:
        of_source = metadata(archive.extractfile(f"{source.name.removesuffix('.tar.gz')}/PKG-INFO").read().decode())
    for fields in (of_wheel, of_source):
        assert fields["Description-Content-Type"] == ["text/markdown"]
        assert fields["body"][0].strip() == README.read_text().strip()
        assert fields["Project-URL"] == [f"{name}, {url}" for name, url in PROJECT["urls"].items()]
        assert fields["Author"] == fields["Maintainer"] == ["The lrrange authors"]
        assert fields["Classifier"] == PROJECT["classifiers"]


def test_the_source_archive_has_the_tests_and_what_they_read(built):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        ".ci/run",
        "CITATION.cff",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "docs/cli.md",
        "tests/cli/test_find.py",
    ):
        assert name in names
    assert {
        place(link).relative_to(ROOT).as_posix() for link in links(README) if place(link) and place(link).is_file()
    } <= names
