"""All subjects of the bank, in the order in which the generator draws for them."""

# Each of these registers its subjects when it is imported.
from benchmarks.quality.bank import pretrained, structures, vectors
from benchmarks.quality.bank.subject import SUBJECTS as _REGISTERED
from benchmarks.quality.bank.subject import Subject

SUBJECTS: dict[str, Subject] = {
    name: subject
    for module in (vectors, structures, pretrained)
    for name, subject in _REGISTERED.items()
    if subject.make.__module__ == module.__name__
}
