"""What the sources say of themselves: their syntax trees, imports, names, and circles of imports.

Nothing is imported for it, so that a test of the whole house takes a second and needs no torch.
"""

import ast
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# From the ground up.
FLOORS = ("hpc", "histosyn", "eval", "tune", "launch")
MODULES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


@dataclass(frozen=True, kw_only=True)
class Import:
    """The file `path`, seen from the root, which is `module`, imports `imported` at `line`."""

    path: str
    line: int
    module: str
    imported: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.imported}"


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """Parsed once: many tests look at the same files, which do not change meanwhile."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports_of(path: Path, root: Path = ROOT) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, wherever it stands; a dot is the module's own package."""
    for line, module, _ in _imports_with_names(path, root):
        yield line, module


def _imports_with_names(path: Path, root: Path) -> Iterator[tuple[int, str, list[str]]]:
    package = path.relative_to(root).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, node.module or ""]).rstrip(".")
            yield node.lineno, module, [alias.name for alias in node.names]


def module_name(path: Path, root: Path = ROOT) -> str:
    """The dotted name; of an `__init__.py`, its package's."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def own_imports(paths: Iterable[Path], root: Path = ROOT) -> list[Import]:
    """Every import of one module of `paths` by another, wherever it stands."""
    files = {module_name(path, root): path for path in paths}
    imports = [one for path in files.values() for one in targets_of(path, files, root)]
    return [one for one in imports if one.imported in files and one.imported != one.module]


def targets_of(path: Path, modules: Container[str], root: Path = ROOT) -> Iterator[Import]:
    """All imports of a module; `from a import b` is of a.b if that is one of `modules`."""
    module, place = module_name(path, root), path.relative_to(root).as_posix()
    for line, imported, names in _imports_with_names(path, root):
        inside = {f"{imported}.{name}" for name in names}
        modules_inside = {name for name in inside if name in modules}
        whole = {imported} if len(modules_inside) < len(inside) or not inside else set()
        for target in sorted(modules_inside | whole):
            yield Import(path=place, line=line, module=module, imported=target)


def package_of(module: str, packages: Iterable[str]) -> str:
    """The innermost of `packages` that a module lies in: a package lies in itself."""
    homes = [name for name in packages if f"{module}.".startswith(f"{name}.")]
    return max(homes, key=len)


def package_names(paths: Iterable[Path], root: Path = ROOT) -> list[str]:
    return [module_name(path, root) for path in paths if path.name == "__init__.py"]


def circle(
    imports: Sequence[Import], node_of: Callable[[str], str] = lambda module: module
) -> list[Import]:
    """The imports that close a shortest circle between nodes, in its order; none if there is none.

    `node_of` says which node a module belongs to: itself, or its package.
    """
    edges: dict[str, dict[str, Import]] = {}
    for one in imports:
        start, end = node_of(one.module), node_of(one.imported)
        if start != end:
            edges.setdefault(start, {}).setdefault(end, one)
    circles = [_way_back(edges, start) for start in sorted(edges)]
    return min(filter(None, circles), key=len, default=[])


def _way_back(edges: Mapping[str, Mapping[str, Import]], start: str) -> list[Import]:
    """The shortest way from a node to itself, breadth first."""
    ways: list[tuple[str, list[Import]]] = [(start, [])]
    seen = set()
    for node, way in ways:
        for following, one in edges.get(node, {}).items():
            if following == start:
                return [*way, one]
            if following not in seen:
                seen.add(following)
                ways.append((following, [*way, one]))
    return []


def defined_names(path: Path) -> set[str]:
    """What a module defines: functions, classes, assigned names, and Class.method."""
    names = set()
    for node in tree_of(path).body:
        names |= set(_bound(node))
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for inner in node.body for name in _bound(inner)}
    return names


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
