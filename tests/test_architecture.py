"""The page on the architecture is true: its picture, and the files and functions it names."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture import PICTURE, draw
from tests.test_imports import PACKAGE, ROOMS

PAGE = PACKAGE.parent / "docs/development/architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
STOPS = [
    (files, names)
    for files, names in re.findall(r"^\|[^|]+\| ([^|]*\.py`) \| (`[^|]*`) \|$", TEXT, re.MULTILINE)
]


def defined_in(path: Path) -> set[str]:
    """Return the functions, classes and methods of a file, methods as ``Class.method``."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{n.name}" for n in node.body if isinstance(n, ast.FunctionDef)}
    return found


def test_the_picture_is_drawn_from_the_table_of_rooms():
    assert PICTURE.read_text(encoding="utf-8") == draw(ROOMS)


@pytest.mark.parametrize(("files", "names"), STOPS)
def test_the_journeys_name_functions_that_exist(files, names):
    known = {
        name for file in re.findall(r"`([^`]+)`", files) for name in defined_in(PACKAGE / file)
    }
    assert set(re.findall(r"`([^`]+)`", names)) <= known


@pytest.mark.parametrize("page", sorted(PACKAGE.parent.glob("docs/**/*.md")), ids=lambda p: p.name)
def test_pages_name_files_that_exist(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", text))
    if page == PAGE:
        named |= set(re.findall(r"`((?:\w+/)+)`", text))
    missing = [
        name
        for name in sorted(named)
        if not re.match("DATA/|.*NAME", name)
        and not (PACKAGE / name).exists()
        and not (PACKAGE.parent / name).exists()
    ]
    assert missing == []
