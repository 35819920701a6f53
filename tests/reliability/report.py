"""`python -m tests.reliability.report`: write what `docs/evidence/reliability.md` counts from its own tables."""

from tests.reliability.summary import write

if __name__ == "__main__":
    write()
