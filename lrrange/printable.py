"""Text from files and foreign objects, made safe to print."""

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
