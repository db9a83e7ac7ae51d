"""``ctrkit prepare``: raw log -> prepared data."""

from __future__ import annotations

import argparse

from ctrkit.cli.arguments import collect, read_settings
from ctrkit.cli.console import show
from ctrkit.cli.inputs import add_raw_files, prepare_from
from ctrkit.cli.paths import check_folder, folder_path, path
from ctrkit.data import PrepareConfig


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("inputs", type=path, nargs="+", metavar="FILE", help="raw log, .gz or not")
    parser.add_argument(
        "--out", type=folder_path, required=True, metavar="DATA", help="folder to write"
    )
    parser.add_argument("--config", type=path, metavar="FILE", help="settings in TOML, [data]")
    add_raw_files(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prepare, and show the result."""
    # A settings file may serve training too; its other sections are train's to check.
    settings = read_settings(arguments.config, ["data", "model", "train"])
    config = collect({"data": PrepareConfig}, arguments, settings)["data"]
    check_folder("--out", arguments.out)
    show(str(prepare_from(arguments, config, arguments.inputs, arguments.out)))
