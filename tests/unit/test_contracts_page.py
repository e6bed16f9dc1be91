"""docs/contracts.md says what the tests show, no route is without one, and no test shows what there is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dictograph.contract import Contract
from scripts.contracts_page import BadMark, Mark, marks, page, routes, unknown, unmarked

ROOT = Path(__file__).parents[2]


def test_the_page_is_current_and_every_route_is_shown() -> None:
    check = subprocess.run(
        [sys.executable, "scripts/contracts_page.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert check.returncode == 0, check.stderr


def test_every_contract_has_routes_and_all_of_its_own() -> None:
    there = routes()
    assert set(there) == set(Contract)
    assert {contract for contract, names in there.items() if not names} == {Contract.STT_WORKER}, "it has messages"
    assert {"GET /health", "POST /upload"} <= set(there[Contract.PATH])
    assert {"WS /", "WS /ws", "POST /upload"} <= set(there[Contract.GATEWAY])
    assert "WS /v1/transcriptions/{job_id}/ws" in there[Contract.NATIVE]


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_one.py").write_text(
        "import pytest\n"
        "def shows(row, what):\n"
        '    return pytest.mark.contract("asr", row, what)\n'
        '@pytest.mark.contract("path", "GET /status", "a | b")\n'
        '@pytest.mark.contract("path", "joined",\n    "two "\n    "lines")\n'
        "def test_it_says(): ...\n"
        '@pytest.mark.contract("path", "WS /", "of the class")\n'
        "class TestAll:\n"
        "    async def test_within(self): ...\n"
        '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.contract("asr", "POST /asr?x=1", "one"))])\n'
        "def test_many(x): ...\n"
        'ASR, OTHER = "POST /asr", 7\n'
        '@shows(ASR, "short")\n'
        "def test_short(): ...\n"
    )
    return folder


def test_marks_are_read_wherever_they_stand(tests: Path) -> None:
    assert marks(tests) == [
        Mark("tests/test_one.py", "test_it_says", "path", "GET /status", "a | b"),
        Mark("tests/test_one.py", "test_it_says", "path", "joined", "two lines"),
        Mark("tests/test_one.py", "test_within", "path", "WS /", "of the class"),
        Mark("tests/test_one.py", "test_many", "asr", "POST /asr?x=1", "one"),
        Mark("tests/test_one.py", "test_short", "asr", "POST /asr", "short"),
    ]


def test_what_is_missing_and_what_is_too_much_is_named(tests: Path) -> None:
    there = {
        **{contract: [] for contract in Contract},
        Contract.PATH: ["GET /status", "POST /upload", "POST /{rest:path}"],
        Contract.ASR: ["POST /asr"],
    }
    assert unmarked(there, marks(tests)) == ["path: POST /upload"]
    assert unknown(there, marks(tests)) == ["tests/test_one.py test_within: path has no WS /"]


def test_the_page_has_a_line_for_each_mark_with_a_link_to_its_test(tests: Path) -> None:
    there = {**{contract: [] for contract in Contract}, Contract.PATH: ["WS /", "GET /status"]}
    lines = page(there, marks(tests)).splitlines()
    assert [line for line in lines if line.startswith("| `")] == [
        "| `WS /` | of the class | [within](../tests/test_one.py) |",
        "| `GET /status` | a \\| b | [it says](../tests/test_one.py) |",
        "| `joined` | two lines | [it says](../tests/test_one.py) |",
        "| `POST /asr` | short | [short](../tests/test_one.py) |",
        "| `POST /asr?x=1` | one | [many](../tests/test_one.py) |",
    ]


@pytest.mark.parametrize(
    "mark",
    [
        '@pytest.mark.contract("path", "GET /status")\ndef test_it(): ...\n',
        '@pytest.mark.contract("pathos", "GET /status", "x")\ndef test_it(): ...\n',
        '@pytest.mark.contract("path", ROW, "x")\ndef test_it(): ...\n',
        'pytestmark = pytest.mark.contract("path", "GET /status", "x")\n',
        '@pytest.mark.contract("path", "GET /status", "x")\ndef helper(): ...\n',
    ],
)
def test_a_mark_that_says_nothing_of_a_test_is_an_error(tests: Path, mark: str) -> None:
    (tests / "test_two.py").write_text(f"import pytest\n{mark}")
    with pytest.raises(BadMark, match="test_two"):
        marks(tests)
