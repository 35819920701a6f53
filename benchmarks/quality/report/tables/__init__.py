"""The generated parts of `docs/evidence/quality.md`: sentences and tables, by the name of their markers."""

import textwrap

from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.tables import bank, by_hand, modes, verdicts

NOT_MEASURED = "*Not measured yet.*"


def sections(measured: Measurements) -> dict[str, str]:
    """Return the generated parts of the page, by the name of their markers."""
    parts = {
        **{name: part(measured.bank) for name, part in bank.PARTS.items()},
        **{name: part(measured.bank) for name, part in modes.PARTS.items()},
        **{name: part(measured.bank) for name, part in verdicts.PARTS.items()},
        **{name: part(measured.by_hand) for name, part in by_hand.PARTS.items()},
    }
    return {name: _wrapped(text or NOT_MEASURED) for name, text in parts.items()}


def front_sections(measured: Measurements) -> dict[str, str]:
    """Return the generated part of the README: figures on held-out families alone."""
    text = bank.front(measured.bank)
    return {
        "held-out": _wrapped(text or f"How good its answers are: [`docs/evidence/quality.md`]({bank.PUBLIC_PAGE}).")
    }


def guide_sections(measured: Measurements) -> dict[str, str]:
    """Return the generated parts of the guide on surer answers."""
    parts = {name: part(measured.bank) for name, part in modes.GUIDE_PARTS.items()}
    return {name: _wrapped(text or NOT_MEASURED) for name, text in parts.items()}


def _wrapped(text: str) -> str:
    """Return sentences in lines of the length of the page; tables and what is in lines already stay as they are."""
    return text if text.startswith("|") or "\n" in text else textwrap.fill(text, 120)
