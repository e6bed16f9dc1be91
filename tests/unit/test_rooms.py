"""The rooms of the program: none is crowded, and no two import each other, not even by way of a third."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
PACKAGE = SOURCE / "dictograph"

#: The most modules side by side in a folder: what a newcomer takes in at a glance.
MOST = 20


def room_of(module: str) -> str:
    """The room of a module: its folder in the package, with all that is in it; a module of the root is one itself."""
    return ".".join(module.split(".")[:2])


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports when it is loaded, and in its functions; not those that only types need."""
    for node in _statements(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dictograph"):
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                path = SOURCE / inner.replace(".", "/")
                yield inner if path.is_dir() or path.with_suffix(".py").exists() else str(node.module)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _statements(child)


def test_no_room_is_crowded() -> None:
    counts = {folder: len([*folder.glob("[!_]*.py")]) for folder in {file.parent for file in PACKAGE.rglob("*.py")}}
    assert {str(folder.relative_to(SOURCE)): count for folder, count in counts.items() if count > MOST} == {}


def test_no_rooms_import_each_other() -> None:
    below: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        module = str(file.relative_to(SOURCE).with_suffix("")).removesuffix("/__init__").replace("/", ".")
        room = room_of(module)
        below.setdefault(room, set()).update({room_of(one) for one in imported(file)} - {room, "dictograph"})
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        raise AssertionError(" ← ".join(error.args[1])) from None
