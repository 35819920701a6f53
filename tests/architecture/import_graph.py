"""Which module imports which, read from the source by `ast`.

Nothing is run, so a broken tree can be read as well. Every import statement counts, wherever it stands:

- inside a function, because that changes when a module is loaded and not what it depends on;
- under `if TYPE_CHECKING:`, because whoever reads a signature has to open the module that its types are from.

Importing `a.b` also runs `a/__init__.py`. That does not count, or else every package that gathers the names of its
modules would be a circle.
"""

import ast
import importlib.util
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class Import:
    """One module that is imported, or one name from it, the line that imports it, and what it is called there."""

    file: str
    line: int
    importer: str
    module: str
    name: str | None
    local: str
    typing_only: bool

    @property
    def where(self) -> str:
        """The line, in the form that editors open."""
        return f"{self.file}:{self.line}"


def modules_of(package: Path) -> dict[str, Path]:
    """Return the file of every module of a package, by dotted name; none if there is no such folder."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def plugins_of(root: Path) -> list[Path]:
    """Return the folder of every plug-in."""
    return sorted(path.parent for path in root.glob("plugins/*/__init__.py"))


def packages_of(root: Path) -> list[Path]:
    """Return the folders whose modules must not import each other in a circle."""
    return [root / "lrrange", *plugins_of(root), root / "benchmarks"]


def imports_of(modules: Mapping[str, Path], root: Path) -> list[Import]:
    """Return every import of these modules, in the order of the source.

    `from package import module` is an import of that module where `modules` has it.
    """
    return [found for importer, path in modules.items() for found in imports_in(path, importer, modules, root)]


def imports_in(path: Path, importer: str, modules: Iterable[str], root: Path) -> Iterator[Import]:
    """Yield the imports of one file; `modules` as for `imports_of`."""
    package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
    known = set(modules)
    for node, typing_only in _statements(ast.parse(path.read_text(encoding="utf-8")), False):
        for module, name, local in _targets(node, package):
            submodule = f"{module}.{name}" in known
            yield Import(
                file=path.relative_to(root).as_posix(),
                line=node.lineno,
                importer=importer,
                module=f"{module}.{name}" if submodule else module,
                name=None if submodule else name,
                local=local,
                typing_only=typing_only,
            )


def _statements(node: ast.AST, typing_only: bool) -> Iterator[tuple[ast.stmt | ast.expr, bool]]:
    for field, value in ast.iter_fields(node):
        only_types = typing_only or (
            isinstance(node, ast.If)
            and field == "body"
            and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        )
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, (ast.stmt, ast.expr)):
                yield child, only_types
            if isinstance(child, ast.AST):
                yield from _statements(child, only_types)


def _targets(node: ast.AST, package: str) -> list[tuple[str, str | None, str]]:
    if isinstance(node, ast.Import):
        return [(alias.name, None, alias.asname or alias.name.split(".")[0]) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level:
            module = importlib.util.resolve_name("." * node.level + module, package)
        return [(module, alias.name, alias.asname or alias.name) for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
        return [(name.value, None, "") for name in node.args[:1] if isinstance(name, ast.Constant)]
    return []


def circles(imports: Iterable[Import], modules: Iterable[str]) -> list[tuple[list[Import], int]]:
    """Return the shortest circle of every group of modules that reach each other, and the size of the group."""
    edges: dict[str, dict[str, Import]] = {module: {} for module in modules}
    for found in imports:
        if found.module in edges:
            edges[found.importer].setdefault(found.module, found)
    reach = {module: _reachable(edges, module) for module in edges}
    groups = {frozenset(other for other in reach[module] if module in reach[other]) for module in edges} - {frozenset()}
    rounds = [(min((_way_back(edges, module) for module in sorted(group)), key=len), len(group)) for group in groups]
    return sorted(rounds, key=lambda each: (-each[1], each[0][0].where))


def _reachable(edges: Mapping[str, Mapping[str, Import]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges[waiting.pop()].keys() - seen
        seen |= new
        waiting.extend(new)
    return seen


def _way_back(edges: Mapping[str, Mapping[str, Import]], start: str) -> list[Import]:
    """Return the fewest imports that lead from a module back to it."""
    waiting: deque[list[Import]] = deque([step] for step in edges[start].values())
    seen: set[str] = set()
    while waiting[0][-1].module != start:
        path = waiting.popleft()
        if (module := path[-1].module) not in seen:
            seen.add(module)
            waiting.extend([*path, step] for step in edges[module].values())
    return list(waiting[0])
