"""What applications are told by their type checker; mypy itself is the judge."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

api = pytest.importorskip("mypy.api")


def check(name: str) -> list[tuple[int, str]]:
    """Return line and code of every error in a file of this folder."""
    output, trouble, _ = api.run(
        [
            str(HERE / name),
            "--strict",
            "--config-file=",
            "--python-version=3.11",
            "--no-error-summary",
            "--hide-error-context",
            f"--cache-dir={ROOT / '.mypy_cache' / 'tests-typing'}",
        ]
    )
    assert trouble == ""
    found = []
    for line in output.splitlines():
        if told := re.search(rf"{re.escape(name)}:(\d+): error: .*\[([\w-]+)\]$", line):
            found.append((int(told[1]), told[2]))
        else:
            assert ": note: " in line, line
    return found


def test_a_correct_application_passes_the_strictest_check() -> None:
    assert check("application.py") == []


def test_mistakes_are_found_each_at_its_line() -> None:
    expected = [
        (number, code)
        for number, line in enumerate((HERE / "mistakes.py").read_text().splitlines(), start=1)
        if "# expect: " in line
        for code in line.partition("# expect: ")[2].split(", ")
    ]
    assert len(expected) > 12
    assert sorted(check("mistakes.py")) == sorted(expected)
