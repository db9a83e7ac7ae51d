"""Who may import whom: read from the sources, so that the arrows of the design stay."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ctrkit"

LAYERS = {
    "fields": set(),
    "options": set(),
    "arrays": {"options"},
    "aside": set(),
    "space": set(),
    "files": {"aside", "options"},
    "toml": {"files", "options"},
    "interruption": set(),
    "huge_pages": set(),
    "embedding": {"fields", "options", "huge_pages"},
    "models": {"embedding", "fields", "options"},
    "training": {
        "models",
        "embedding",
        "options",
        "arrays",
        "files",
        "interruption",
        "huge_pages",
        "space",
    },
    "data": {"fields", "options", "arrays", "files", "toml", "aside", "space"},
    "serving": {
        "training",
        "models",
        "embedding",
        "data",
        "fields",
        "options",
        "files",
        "aside",
        "space",
    },
    "distill": {"serving", "training", "models", "data", "fields", "options", "files", "space"},
    "cli": {
        "distill",
        "serving",
        "training",
        "models",
        "data",
        "fields",
        "options",
        "files",
        "toml",
        "interruption",
        "space",
    },
}
"""Every part, and the parts it may import (besides itself and the version)."""

OUTSIDE_CLI = {"sys.argv", "os.environ", "os.getenv", "print", "input", "tqdm"}


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part not in ("__init__", "__main__"):
            yield part, path


def imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
        parts |= {name.split(".")[1] for name in names if name.startswith("ctrkit.")}
    return parts


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def test_every_part_is_known():
    assert {part for part, _ in sources()} <= set(LAYERS)


@pytest.mark.parametrize(
    ("part", "path"), list(sources()), ids=lambda value: str(value).split("/")[-1]
)
def test_imports_follow_the_arrows(part, path):
    assert imported_parts(path) - {part} <= LAYERS[part]


@pytest.mark.parametrize("path", [path for part, path in sources() if part == "data"])
def test_data_knows_nothing_of_torch(path):
    assert "torch" not in imported_modules(path)


@pytest.mark.parametrize("path", [path for part, path in sources() if part == "models"])
def test_models_know_no_files_devices_or_optimizers(path):
    text = path.read_text(encoding="utf-8")
    assert not imported_modules(path) & {"pathlib", "os", "numpy", "pandas"}
    assert not [word for word in ("torch.optim", ".cuda(", "manual_seed") if word in text]


@pytest.mark.parametrize("path", [path for part, path in sources() if part != "cli"])
def test_only_the_command_line_prints_and_reads_argv(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    } | {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert (used | imported_modules(path)) & OUTSIDE_CLI == set()
    assert "eval" not in used
    assert "exec" not in used


def test_the_page_on_the_architecture_has_the_same_table():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `ctrkit/(\w+)(?:\.py|/)` \|.*\| ([^|]*) \|$", page, re.MULTILINE)
    shown = {part: set() if names == "–" else set(names.split(", ")) for part, names in rows}
    assert shown == LAYERS


def test_importing_ctrkit_does_no_work():
    code = (
        "import sys, ctrkit; print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["ctrkit.data", "ctrkit.cli.prepare"])
def test_preparing_data_does_not_load_torch(module):
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
