"""Text from files and foreign objects, made safe to print, and what these objects are."""

import unicodedata


def printable(text: str) -> str:
    r"""Return text that can be printed on a terminal or in a page, with everything that would act on it escaped.

    Escaped are control characters, which move the cursor, colour text, set the clipboard or make links; characters
    that change the direction of text or are not seen; and lone surrogates, which no encoding can write. Line ends, tabs
    and spaces of all widths stay.

    >>> printable("red \x1b[31m, or not\n")
    'red \\x1b[31m, or not\n'
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs"
        else char.encode("unicode_escape").decode()
        for char in text
    )


def text_of(error: BaseException) -> str:
    r"""Return the text of an error in one line. It is empty if the error has none, or raises when it is asked for it.

    >>> text_of(ValueError("two\nlines"))
    'two lines'
    """
    try:
        return " ".join(str(error).split())
    except Exception:
        return ""


def described(error: BaseException) -> str:
    r"""Return the class of an error and its text in one line.

    >>> described(ValueError("two\nlines")), described(ValueError())
    ('ValueError: two lines', 'ValueError')
    """
    return ": ".join(filter(None, (type(error).__name__, text_of(error))))


def brief(text: object, longest: int = 32) -> str:
    r"""Return text in one printable line, and its beginning alone if it is longer than this many characters.

    >>> brief("one\nline of many words", 12)
    'one line...'
    """
    line = " ".join(printable(str(text)).split())
    return line if len(line) <= longest else line[: longest - 3].rstrip() + "..."


def describe(value: object) -> str:
    """Return what an object is, for an error message: its class with the module, or that it is a class."""
    if isinstance(value, type):
        return f"the class {_full_name(value)}, which has not been called"
    name = _full_name(type(value))
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


def _full_name(kind: type) -> str:
    """Return the name of a class with its module, as in an import."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
