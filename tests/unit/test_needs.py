"""`make test` installs every program that a test calls, so that a new machine needs nothing by hand."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Where programs are called: the tests, and the scripts that they run.
FOLDERS = ("tests", "scripts")

#: Every machine with a checkout has these: they are essential in Debian, or the README asks for them.
EVERYWHERE = {"/bin/sh", "bash", "git", "make", "mount", "setpriv", "sh", "sleep", "umount"}

#: Programs that are in a package of another name.
PACKAGES = {"initdb": "postgresql", "pg_dump": "postgresql", "java": "default-jre-headless", "mvn": "maven"}


def test_every_program_that_tests_call_is_installed_by_make_test(tmp_path: Path) -> None:
    installed = _installed(tmp_path)
    asked = {program: place for file in _files() for program, place in _programs(file)}
    lacking = {program: place for program, place in asked.items() if _package(program) not in installed}
    assert lacking == {}, "add them to scripts/test-tools"
    assert installed <= {_package(program) for program in asked}, "no test asks for them any more"


def test_the_programs_of_a_call_are_found() -> None:
    """Each way in which a test can call one, so that the test above cannot pass by overlooking it."""
    source = """
need("one")
shutil.which("two")
missing("it is not installed (on Debian: three)")
subprocess.run(["four", "-x"])
with subprocess.Popen(("five", *words)): pass
def call():
    command = ["six", "-y"]
    subprocess.run([*command, "-z"])
def other():
    command = ["none", "a list of words"]
"""
    assert [name for name, _ in _asked(ast.parse(source), "file")] == ["one", "two", "three", "four", "five", "six"]


def _installed(empty: Path) -> set[str]:
    """The packages that the script names where nothing is installed, apt-get included."""
    done = subprocess.run(
        ["/bin/sh", ROOT / "scripts" / "test-tools"],
        env={"PATH": str(empty)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    named = re.match(r"Not installed: ([a-z0-9 -]+) \(", done.stderr)
    assert named is not None, done.stderr
    return set(named.group(1).split())


def _package(program: str) -> str:
    return PACKAGES.get(program, program)


def _files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _programs(file: Path) -> Iterator[tuple[str, str]]:
    for program, place in _asked(ast.parse(file.read_text(encoding="utf-8")), str(file.relative_to(ROOT))):
        if program not in EVERYWHERE:
            yield program, place


def _asked(tree: ast.Module, name: str) -> Iterator[tuple[str, str]]:
    """Each program that the file names where it calls or looks for one, with the place."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for call in sorted(_calls(tree), key=lambda call: call.lineno):
        around = next((one for one in reversed(functions) if one.lineno <= call.lineno <= (one.end_lineno or 0)), tree)
        if (program := _program(call, around)) is not None:
            yield program, f"{name}:{call.lineno}"


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)


def _program(call: ast.Call, around: ast.AST) -> str | None:
    """The program of a call: `need("curl")`, `missing("… (on Debian: faketime)")`, `subprocess.run(["git", …])`."""
    called, first = ast.unparse(call.func), call.args[0]
    if called in ("need", "shutil.which"):
        return _text(first)
    if called == "missing" and (hint := re.search(r"on Debian: ([a-z0-9-]+)", _text(first) or "")):
        return hint.group(1)
    return _first_word(first, around) if called.startswith("subprocess.") else None


def _first_word(words: ast.expr, around: ast.AST) -> str | None:
    """The first word of a command, which may have been put together in the same function."""
    if isinstance(words, ast.List | ast.Tuple):
        return _first_word(words.elts[0], around) if words.elts else None
    if isinstance(words, ast.Starred):
        return _first_word(words.value, around)
    if isinstance(words, ast.Name):
        given = [node.value for node in ast.walk(around) if isinstance(node, ast.Assign) and _names(node, words.id)]
        return _first_word(given[-1], around) if given and not isinstance(given[-1], ast.Name) else None
    return _text(words)


def _names(assignment: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in assignment.targets)


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
