"""timm and transformers are extras of the tests: without them, what tests their schedulers is left out."""

from importlib.util import find_spec

_NEEDS = {
    "timm": ["test_timm.py", "timm_rows.py"],
    "transformers": ["test_transformers.py", "transformers_rows.py"],
}

collect_ignore = [name for package, names in _NEEDS.items() if not find_spec(package) for name in names]
if not all(map(find_spec, _NEEDS)):
    collect_ignore += ["test_page.py", "report.py"]
