"""Models of a user's own: taken from the command line, and never because a file says so."""

import json
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from edited import edit_json
from failing import error_of
from test_resume_option import interrupted

from ctrkit.cli import main
from ctrkit.cli.commands import train
from ctrkit.cli.own_code import import_model
from ctrkit.data import prepare
from ctrkit.distill import distill_run
from ctrkit.models import model_options
from ctrkit.runs import Recipe, Run, train_run
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig, latency

SMALL = ["--epochs", "1", "--batch-size", "256"]
HEAD = "import torch\nfrom torch import nn\nfrom ctrkit.models import CTRModel\n"
MODEL = '''
class Own(CTRModel):
    """A model.

    Args:
        scale: factor of all.
        depth: an option that others have with another type.
    """
    def __init__(self, cardinalities, *, scale: float = 2.0, depth: str = "deep"):
        super().__init__(cardinalities, embedding_dim=4)
    def interact(self, vectors):
        return self.scale * vectors.mean((1, 2))
'''


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate(folder / "criteo.txt", rows=2000, seed=1)
    return prepare(folder / "criteo.txt", format="criteo", out=folder / "data").path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of the user's own with a module, which no other test has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    path, modules = list(sys.path), set(sys.modules)
    (tmp_path / "own.py").write_text(HEAD + MODEL)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


@pytest.fixture
def run(data) -> list[str]:
    """The words that train the model."""
    return ["train", str(data), "--model", "own:Own", *SMALL, "--out", "run"]


def forget() -> None:
    """Make as if the module had not been imported, and remember if it is."""
    sys.modules.pop("own", None)
    Path("own.py").write_text(f"{HEAD}{MODEL}\nopen('imported', 'w').close()\n")


def test_it_trains_and_scores_like_any_other(run, data, capsys):
    assert main([*run, "--scale", "3", "--depth", "shallow"]) == 0
    config = json.loads(Path("run/config.json").read_text())["model"]
    assert config["name"] == "own:Own"
    assert config["options"] == {"scale": 3.0, "depth": "shallow"}
    words = ["evaluate", "run", str(data), "--allow-code", "own:Own", "--json", "x.json"]
    assert main(words) == 0
    figures = json.loads(Path("x.json").read_text())["test"]
    assert figures == json.loads(Path("run/metrics.json").read_text())["test"]
    raw = str(data.parent / "criteo.txt")
    assert main(["predict", "run", raw, "--out", "s.csv", "--allow-code", "own:Own"]) == 0
    assert Run("run", models=[sys.modules["own"].Own]).model.scale == 3.0


def test_help_shows_its_options_and_no_others(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--model", "own:Own", "--help"])
    shown = capsys.readouterr().out
    assert "model own:Own:" in shown
    assert re.search(r"--scale X +factor of all \(default: 2.0\)", shown)
    assert re.search(r"--depth NAME +an option that others have", shown)
    assert "--dropout-ex" not in shown


def test_no_file_makes_its_code_run(run, data, capsys):
    assert main(run) == 0
    forget()
    Path("x.toml").write_text('[model]\nname = "own:Own"\n')
    raw = str(data.parent / "criteo.txt")
    for words in (
        ["evaluate", "run", str(data)],
        ["predict", "run", raw, "--out", "s.csv"],
        ["distill", str(data), "--teacher", "run", "--out", "student"],
        ["train", str(data), "--like", "run", "--out", "again"],
        ["train", str(data), "--config", "x.toml", "--out", "again"],
        ["distill", str(data), "--teacher", "cin", "--config", "x.toml", "--out", "student"],
    ):
        said = error_of(words, capsys)
        assert "names the model 'own:Own', which is none of ctrkit's" in said
        assert "--allow-code own:Own" in said
        assert "Run(folder, models=[Own])" in said
    assert not Path("imported").exists()
    assert not Path("again").exists()
    assert not Path("student").exists()
    with pytest.raises(ValueError, match="names the model 'own:Own'"):
        Run("run")


def test_a_run_and_settings_are_taken_with_the_code_that_they_need(run, data, capsys):
    assert main([*run, "--scale", "3"]) == 0
    allow = ["--allow-code", "own:Own"]
    assert main(["train", str(data), "--like", "run", "--out", "again", *allow]) == 0
    assert "the figures of run, digit for digit" in capsys.readouterr().err
    Path("x.toml").write_text('[model]\nname = "own:Own"\nscale = 5.0\n')
    words = ["train", str(data), "--config", "x.toml", "--out", "toml", *SMALL, *allow]
    assert main([*words, "--depth", "flag"]) == 0
    config = json.loads(Path("toml/config.json").read_text())["model"]["options"]
    assert config == {"scale": 5.0, "depth": "flag"}


def test_an_interrupted_run_goes_on(run):
    words = [*run, "--epochs", "2"]
    whole = [word if word != "run" else "whole" for word in words]
    assert main(whole) == 0
    with interrupted(train, signal.SIGTERM, 5):
        assert main(words) == 128 + signal.SIGTERM
    assert main([*words, "--resume"]) == 0
    figures = [json.loads(Path(f"{name}/metrics.json").read_text()) for name in ("run", "whole")]
    assert figures[0]["test"] == figures[1]["test"]


def test_it_teaches_and_is_taught(run, data, capsys):
    assert main(run) == 0
    words = ["distill", str(data), *SMALL, "--no-alone"]
    allow = ["--allow-code", "own:Own"]
    teacher = ["--teacher", "run", *allow, "--student", "dagfm", "--embedding-dim", "4"]
    assert main([*words, *teacher, "--out", "a"]) == 0
    again = [*words, "--teacher", "own:Own", "--student", "own:Own", "--scale", "3", "--out", "b"]
    assert main(again) == 0
    assert json.loads(Path("b/config.json").read_text())["model"]["options"]["scale"] == 3.0
    capsys.readouterr()
    assert main(again) == 0
    said = capsys.readouterr().err
    assert said.count("finished already, kept") == 3
    # Another model of the same weights is another teacher.
    Path("own.py").write_text(HEAD + MODEL.replace("mean((1, 2))", "mean((1, 2)) + 1"))
    sys.modules.pop("own")
    assert "holds a finished run" in error_of([*words, *teacher, "--out", "a"], capsys)


def test_in_python_the_class_itself_is_given(data):
    own = import_model("own:Own", "--model")
    rows = prepare(data.parent / "criteo.txt", format="criteo", out="data")
    config = TrainConfig(epochs=1, batch_size=256)
    train_run(rows, model=own, config=config, out="run")
    assert Run("run", models=[own]).config["model"]["name"] == "own:Own"
    new = Recipe(model="dagfm", options={"embedding_dim": 4}, train=config)
    distill_run(rows, teacher="run", models=[own], student=new, out="student", alone=False)
    # A class that has moved is known by its name, and another is not taken for it.
    edit_json(Path("run/config.json"), model={**json_of("run")["model"], "name": "moved.to:Own"})
    assert Run("run", models=[own]).model.options() == {"scale": 2.0, "depth": "deep"}
    edit_json(Path("run/config.json"), model={**json_of("run")["model"], "name": "own:Other"})
    with pytest.raises(ValueError, match=r"models=\[Other\]\), got own:Own"):
        Run("run", models=[own])
    with pytest.raises(TypeError, match="must be a subclass of CTRModel, got 'own:Own'"):
        Run("run", models=["own:Own"])


def json_of(run: str) -> dict:
    return json.loads((Path(run) / "config.json").read_text())


BAD = {
    "abstract": "class Bad(CTRModel):\n    pass\n",
    "no_model": "class Bad:\n    pass\n",
    "required": MODEL.replace("scale: float = 2.0", "scale: float"),
    "untyped": MODEL.replace("scale: float = 2.0", "scale=2.0"),
    "odd": MODEL.replace("scale: float = 2.0", "scale: dict = {}"),
    "unknown": MODEL.replace("scale: float = 2.0", 'scale: "Nothing" = 2.0'),
    "default": MODEL.replace("scale: float = 2.0", "scale: int = None"),
    "rest": MODEL.replace('depth: str = "deep"', "**rest"),
    "none": MODEL.replace("self, cardinalities, *,", "self, *,"),
    "taken": MODEL.replace("scale: float", "epochs: float"),
    "command": MODEL.replace("scale: float", "command: float"),
    "attribute": MODEL.replace("embedding_dim=4)", "embedding_dim=torch.nothing)"),
    "wide": MODEL.replace("mean((1, 2))", "mean(1)"),
    "typo": MODEL.replace("mean((1, 2))", "meen((1, 2))"),
    "positional": MODEL.replace("scale: float", "inputs: float"),
    "fails": "import nothing_of_this_name\n",
    "raises": "1 / 0\n",
    "leaves": "raise SystemExit(0)\n",
    "syntax": "def :\n",
    "meta": MODEL.replace("embedding_dim=4)", "embedding_dim=4 + int(torch.zeros(1)))"),
}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own", "unknown model 'own'; choose from"),
        ("own.py:Own", "there is no module own.py, neither in"),
        (":Own", "--model must be module:Class, such as my_models:FM, got ':Own'"),
        ("own:", "--model must be module:Class"),
        ("../own:Own", "--model must be module:Class"),
        ("nothing:Own", "there is no module nothing, neither in"),
        ("nothing.at.all:Own", "there is no module nothing, neither in"),
        ("own:Owm", "module own has no class Owm; did you mean 'Own'?"),
        ("own:HEAD", "module own has no class HEAD; choose from Own"),
        ("own:torch", "a model must be a subclass of CTRModel, got <module 'torch'"),
        ("own:CTRModel", "CTRModel must define interact(self, vectors), or logits"),
        ("abstract:Bad", "Bad must define interact(self, vectors), or logits(self, ids, values)"),
        ("no_model:Bad", "a model must be a subclass of CTRModel, got <class 'no_model.Bad'>"),
        ("required:Own", "option 'scale' of Own must have a default"),
        ("untyped:Own", "option 'scale' of Own must be annotated as int, float, str, bool, a Seq"),
        ("odd:Own", "or as one of these or None, got <class 'dict'>"),
        ("unknown:Own", "an option of Own has a type that is not defined: name 'Nothing' is not"),
        ("default:Own", "a default of Own is of another type: scale must be int, got None"),
        ("rest:Own", "the constructor of Own must name its options, got **rest"),
        ("none:Own", "the constructor of Own must take the cardinalities first"),
        ("taken:Own", "option 'epochs' of taken:Own has the name of an option of ctrkit train"),
        ("positional:Own", "option 'inputs' of positional:Own has the name of an option"),
        ("command:Own", "option 'command' of command:Own has the name of an option"),
        ("attribute:Own", "AttributeError: module 'torch' has no attribute 'nothing'"),
        ("wide:Own", "Own must return logits of shape (B,), got (128, 4) for B 128"),
        ("typo:Own", "but fails there: AttributeError: 'Tensor' object has no attribute 'meen'"),
        ("fails:Own", "importing fails fails, --traceback shows where: ModuleNotFoundError"),
        ("raises:Own", "importing raises fails, --traceback shows where: ZeroDivisionError"),
        ("leaves:Own", "importing leaves fails, --traceback shows where: SystemExit: 0"),
        ("syntax:Own", "importing syntax fails, --traceback shows where: SyntaxError"),
        ("meta:Own", "Own must be made on torch.device('meta'), to learn its sizes, but its const"),
    ],
)
def test_what_is_no_model_is_named(name, message, data, capsys):
    module = name.partition(":")[0]
    if module in BAD:
        Path(f"{module}.py").write_text(HEAD + BAD[module])
    said = error_of(["train", str(data), "--model", name, "--out", "run"], capsys)
    assert message in said
    assert not Path("run").exists()


def test_a_model_that_cannot_run_without_numbers_is_named_with_the_way_out(data, capsys):
    code = MODEL.replace("return self.scale", "return float(vectors.max() > -1e9) * self.scale")
    Path("needy.py").write_text(HEAD + code)
    words = ["train", str(data), "--model", "needy:Own", *SMALL, "--out", "run"]
    said = error_of(words, capsys)
    assert "Own must run on torch.device('meta')" in said
    assert "--no-check-space" in said
    assert main([*words, "--no-check-space"]) == 0


def test_the_current_folder_is_looked_at_first_only_for_this(run, here, data):
    shutil.copy("own.py", here / "json_lines_of_mine.py")
    assert str(here) not in sys.path
    assert main(["train", str(data), *SMALL, "--embedding-dim", "2", "--out", "plain"]) == 0
    assert str(here) not in sys.path
    assert main(run) == 0
    assert sys.path[-1] == str(here)


def test_options_are_those_of_the_class(here):
    (here / "typed.py").write_text(
        "from __future__ import annotations\n"
        "from collections.abc import Sequence\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from ctrkit.fields import Cardinalities\n"
        f"{HEAD}"
        "class Own(CTRModel):\n"
        "    def __init__(self, cardinalities: Cardinalities, dims: list[int] = [3], *,\n"
        "                 rate: float | None = None, names: Sequence[str] = ('a',),\n"
        "                 fast: bool = False) -> None:\n"
        "        super().__init__(cardinalities)\n"
        "    def interact(self, vectors):\n        return vectors.sum((1, 2))\n"
    )
    options = model_options(import_model("typed:Own", "--model"))()
    assert vars(options) == {"dims": (3,), "rate": None, "names": ("a",), "fast": False}
