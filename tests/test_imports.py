"""Who may import whom: read from the sources, so that the arrows of the design stay."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ctrkit"

ROOMS = {
    "fields": "",
    "options": "",
    "rows": "",
    "arrays": "options",
    "files": "options",
    "machine": "",
    "metrics": "arrays rows options",
    "ops": "",
    "embedding": "machine fields options",
    "models": "embedding ops fields options",
    "data": "machine files arrays rows fields options",
    "synthetic": "data metrics files rows options",
    "training": "models embedding ops metrics machine files fields arrays rows options",
    "runs": "training data models embedding metrics machine files fields options",
    "distill": "runs training data models metrics machine files fields options",
    "cli": "distill runs training synthetic data models metrics machine files options",
}
"""Every room, and the rooms it may import (besides itself and the version)."""

OUTSIDE_CLI = {"sys.argv", "os.environ", "os.getenv", "print", "input", "tqdm"}

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60


def module_name(path: Path) -> str:
    """Return the name of a module; a package is its ``__init__``."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
FACES = {name for name, path in SOURCES.items() if path.name == "__init__.py"} - {"ctrkit"}


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def modules_of(*rooms: str) -> list[str]:
    return [name for name in SOURCES if room_of(name) in rooms]


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def exported_by(module: str) -> set[str]:
    """Return the names that a face imports."""
    return {
        alias.name
        for node in tree_of(module).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the modules that a module imports, those inside functions as well."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                # A face may export a function that is called like the module it comes from.
                inner = f"{node.module}.{alias.name}"
                is_module = inner in SOURCES and alias.name not in exported_by(node.module)
                found.add(inner if is_module else str(node.module))
    return frozenset(found)


def own_imports(module: str) -> set[str]:
    return {name for name in imports_of(module) if name.startswith("ctrkit.")}


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def test_every_room_is_known():
    assert {room_of(name) for name in SOURCES} - {"", "__main__"} == set(ROOMS)


@pytest.mark.parametrize("module", modules_of(*ROOMS))
def test_imports_follow_the_arrows(module):
    room = room_of(module)
    assert {room_of(name) for name in own_imports(module)} - {room} <= set(ROOMS[room].split())


@pytest.mark.parametrize("room", ROOMS)
def test_no_arrow_is_without_an_import(room):
    used = {room_of(name) for module in modules_of(room) for name in own_imports(module)}
    assert used - {room} == set(ROOMS[room].split())


@pytest.mark.parametrize("module", SOURCES)
def test_a_package_is_imported_by_its_face(module):
    past_a_face = [
        f"{name} past {face}"
        for name in own_imports(module)
        for face in FACES - {name}
        if is_within(name, face) and not is_within(module, face)
    ]
    assert past_a_face == []


def test_no_imports_go_in_circles():
    graph = {module: own_imports(module) - {module} for module in SOURCES}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, naming the circle


@pytest.mark.parametrize(
    "module", modules_of("data", "synthetic", "metrics", "files", "rows", "arrays")
)
def test_data_knows_nothing_of_torch(module):
    assert "torch" not in {name.partition(".")[0] for name in imports_of(module)}


@pytest.mark.parametrize("module", modules_of("models"))
def test_models_know_no_files_devices_or_optimizers(module):
    text = SOURCES[module].read_text(encoding="utf-8")
    outside = {name.partition(".")[0] for name in imports_of(module)}
    assert not outside & {"pathlib", "os", "numpy", "pandas"}
    assert not [word for word in ("torch.optim", ".cuda(", "manual_seed") if word in text]


@pytest.mark.parametrize("module", modules_of(*set(ROOMS) - {"cli"}))
def test_only_the_command_line_prints_and_reads_argv(module):
    used = {
        node.func.id
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    } | {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    outside = {name.partition(".")[0] for name in imports_of(module)}
    assert (used | outside) & OUTSIDE_CLI == set()
    assert "eval" not in used
    assert "exec" not in used


@pytest.mark.parametrize("module", SOURCES)
def test_files_and_functions_are_short(module):
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(tree_of(module))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_the_page_on_the_architecture_has_the_same_table():
    page = (PACKAGE.parent / "docs/development/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `ctrkit/(\w+)(?:\.py|/)` \|.*\| ([^|]*) \|$", page, re.MULTILINE)
    shown = {room: "" if names == "–" else names.replace(", ", " ") for room, names in rows}
    assert shown == ROOMS


def test_importing_ctrkit_does_no_work():
    code = (
        "import sys, ctrkit; print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "module",
    ["ctrkit.data", "ctrkit.metrics", "ctrkit.cli.commands.prepare", "ctrkit.cli.commands.schema"],
)
def test_preparing_data_does_not_load_torch(module):
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
