"""The documentation: its links lead somewhere, its commands parse, its Python runs."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from ctrkit.cli import COMMANDS, main, make_parser
from ctrkit.data import PrepareConfig
from ctrkit.models import build_model, model_options
from ctrkit.options import from_mapping
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CONFIGS = sorted(ROOT.glob("configs/**/*.toml"))
NUM_FIELDS = {"criteo": 39, "avazu": 23, "csv": 10}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return what a link may name after ``#``: the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(path: Path) -> list[str]:
    """Return the ``ctrkit`` commands of a page, continued lines joined, without ``> FILE``."""
    lines = "".join(blocks(path, "console")).replace("\\\n", " ").splitlines()
    return [
        line.split("ctrkit ", 1)[1].partition(" > ")[0]
        for line in lines
        if line.startswith(("$ ctrkit ", "$ python -m ctrkit "))
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    missing = []
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, heading = target.partition("#")
        path = page.parent / name if name else page
        if "://" not in target and not (
            path.exists() and (not heading or heading in anchors(path))
        ):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize(
    ("page", "command"), [(p, c) for p in PAGES for c in commands(p)], ids=lambda value: str(value)
)
def test_command_lines_parse(page, command):
    words = shlex.split(command, comments=True)
    if any("my_models:" in word for word in words):
        pytest.skip("a module of the reader's own, which the test of its page writes")
    make_parser(next(word for word in words if word in COMMANDS)).parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_page_on_own_models_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    page = ROOT / "docs" / "own_model.md"
    generate(tmp_path / "train.txt", rows=1000, seed=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("ctrkit.training.latency.SECONDS", 0.0)
    text = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.DOTALL | re.M):
        if language == "console":
            for line in block.splitlines():
                words = shlex.split(line.removeprefix("$ ctrkit "))
                try:
                    status = main(words)
                except SystemExit as leave:  # of --help
                    status = leave.code
                assert status == 0, (line, capsys.readouterr().err)
        elif block.startswith("# my_models.py"):
            (tmp_path / "my_models.py").write_text(block, encoding="utf-8")
        else:
            exec(compile(block, name_of(page), "exec"), {})
    assert "{'embedding_dim': 4}" in capsys.readouterr().out
    code = (tmp_path / "my_models.py").read_text(encoding="utf-8")
    assert len([line for line in code.splitlines()[1:] if line.strip()]) <= 20
    sys.modules.pop("my_models")


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name_of)
def test_python_examples_run(page, tmp_path, monkeypatch):
    if page.name == "own_model.md":
        pytest.skip("runs with its commands, see above")
    if page.name == "style.md":
        pytest.skip("pieces of code that show a style, not examples of use")
    generate(tmp_path / "train.txt", rows=1000, seed=1)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for block in blocks(page, "python"):  # as in a notebook, each goes on from the one before
        exec(compile(block, name_of(page), "exec"), namespace)


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_commands_of_settings_files_parse(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [line.removeprefix("#   ctrkit ") for line in lines if line.startswith("#   ctrkit ")]
    assert found
    for command in found:
        words = shlex.split(command)
        assert words[words.index("--config") + 1] == name_of(path)
        make_parser(words[0]).parse_args(words)


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_settings_files_parse(path):
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    data = from_mapping(PrepareConfig, content.pop("data"), where=name_of(path))
    from_mapping(TrainConfig, content.pop("train"), where=name_of(path))
    options = content.pop("model")
    name = options.pop("name")
    from_mapping(model_options(name), options, where=name_of(path))
    build_model(name, [3] * NUM_FIELDS[data.format or "csv"], options, where=name_of(path))
    assert content == {}


def test_differences_from_the_papers_are_explained():
    """Every ``DIFF`` in the models' code stands, by its tag, in a bullet of a model's page."""
    tags = [
        tag
        for path in (*ROOT.glob("ctrkit/models/*.py"), *ROOT.glob("ctrkit/ops/*.py"))
        for tag in re.findall(r"DIFF\((\w+)\)", path.read_text(encoding="utf-8"))
    ]
    explained = [
        tag
        for path in ROOT.glob("docs/models/*.md")
        for tag in re.findall(
            r"^- DIFF\((\w+)\): \*\*", path.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
    ]
    assert sorted(explained) == sorted(tags)
