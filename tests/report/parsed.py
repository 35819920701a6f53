"""An HTML file taken apart without a browser."""

from html.parser import HTMLParser

VOID = {"meta", "img", "input", "source", "br", "link"}


class Parsed(HTMLParser):
    """The elements of a page, the text in each, and the mistakes in how they are nested."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.mistakes = [], [], []
        self.feed(text)
        self.close()
        self.mistakes += [f"<{element.tag}> is not closed" for element in self.open]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1].tag != tag:
            self.mistakes.append(f"</{tag}> closes {self.open[-1].tag if self.open else 'nothing'}")
            return
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element.text += data

    def all(self, *tags):
        return [element for element in self.elements if element.tag in tags]


class Element:
    def __init__(self, tag, attributes):
        self.tag, self.attributes, self.text = tag, attributes, ""
