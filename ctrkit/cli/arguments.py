"""Command-line arguments made from dataclasses of options; they override settings files."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import re
import sys
import typing
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ctrkit.cli.console import show
from ctrkit.files import load_toml
from ctrkit.options import (
    SEQUENCES,
    from_mapping,
    members,
    option_types,
    printable,
    shortened,
    shown,
    suggest,
)

T = TypeVar("T")

NOT_GIVEN = object()

COMMON = frozenset(
    {
        *("epochs", "batch_size", "learning_rate", "patience", "seed", "device"),
        *("format", "label", "positive", "split", "fractions", "min_count", "force"),
        *("kd_loss", "temperature", "student_table"),
    }
)
"""Options of training, preparing and distilling that a newcomer looks for; all others are rare."""

MORE = "more"
"""Title of the group of rare options."""

_LAST = ("raw files", MORE)
"""Groups that end the help, in this order."""

_NUMBER = re.compile(r"-?[\d.]+")
_NEGATIVE = re.compile(r"-[\d.,eE+-]+")
_OPTION = re.compile(r"--|-[^\W\d]")
_WHOLE_NUMBER = re.compile(r"[+-]?\d+", flags=re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", flags=re.ASCII)
"""Python alone takes digits of any script, spaces and underscores."""


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the right spelling of an unknown option."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", _HelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self._is_intermixed = False
        self.two_words: dict[str, tuple[str, ...]] = {}
        """Flag -> first words of those of its values that have two, ``--flag stop-after 10``."""
        self.complete: Callable[[Sequence[str]], None] | None = None
        """Adds the options that depend on the words; called once, before they are parsed."""
        self.elsewhere: dict[str, str] = {}
        """Flag that there would be with other words -> what it is an option of, for a message."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; refuse an extra word, and suggest what may have been meant."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            self.error(f"unexpected word {shown(rest[0])}")
        return found

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; refuse an unknown option before a missing one."""
        if self._subparsers is not None or self._is_intermixed:
            return super().parse_known_args(args, namespace)
        words = list(args or ())
        end = words.index("--") if "--" in words else len(words)
        if self.complete is not None:
            complete, self.complete = self.complete, None
            complete(words[:end])
        self._refuse_unknown(words[:end])
        self._refuse_loose_values(words[:end])
        # After "--" all words are paths, but argparse takes some of them for options.
        paths = [f"./{word}" if word.startswith("-") else word for word in words[end + 1 :]]
        self._is_intermixed = True  # or inputs that follow an option would be words too many
        try:
            return self.parse_known_intermixed_args(self._joined(words[:end]) + paths, namespace)
        finally:
            self._is_intermixed = False

    def _refuse_unknown(self, args: list[str]) -> None:
        for word in args:
            name = word.split("=")[0]
            is_option = _OPTION.match(word) is not None
            if is_option and name not in self._option_string_actions:
                owner = self.elsewhere.get(name.replace("--no-", "--", 1))
                if owner is not None:
                    self.error(f"{name} is an option of {owner}")
                hint = _suggest_option(name, self._option_string_actions)
                self.error(f"unknown option {shortened(name)}{hint}")

    def _refuse_loose_values(self, args: list[str]) -> None:
        """Refuse values that would be taken for inputs: ``--orders 39 39``, ``--compile true``."""
        for at, flag in enumerate(args):
            action = self._option_string_actions.get(flag)
            if action is not None and action.nargs == 0:
                value = args[at + 1] if at + 1 < len(args) else ""
                if value.lower() in ("true", "false", "yes", "no"):
                    self.error(
                        f"{flag} takes no value, got {value}; {flag} or its --no- form will do"
                    )
                continue
            if not getattr(action and action.type, "takes_several", False):
                continue
            values = list(itertools.takewhile(_NUMBER.fullmatch, args[at + 1 :]))
            if len(values) > 1:
                together = shortened(",".join(values))
                self.error(f"several values of {flag} are written with commas: {flag} {together}")

    def _joined(self, args: list[str]) -> list[str]:
        words: list[str] = []
        for word in args:
            if len(words) > 1 and words[-1] in self.two_words.get(words[-2], ()):
                words[-1] += f" {word}"
            elif (
                words
                and _NEGATIVE.fullmatch(word)
                and _takes_a_value(self._option_string_actions.get(words[-1]))
            ):
                words[-1] += f"={word}"  # argparse takes a list that begins so for an option
            else:
                words.append(word)
        return words

    def format_help(self) -> str:
        """Return the help text, rare options last."""
        order = [None, *_LAST]
        self._action_groups.sort(
            key=lambda group: order.index(group.title) if group.title in _LAST else 0
        )
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line, without the usage, which ``--help`` shows."""
        self.exit(2, f"{self.prog}: error: {printable(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        # Argparse ignores a standard output that does not take the help.
        if message and file in (None, sys.stdout):
            show(message.rstrip("\n"))
        else:
            super()._print_message(message, file)


def _reader(pattern: re.Pattern[str], read: Callable[[str], T], what: str) -> Callable[[str], T]:
    """Return a function that reads words of this pattern, and refuses all others with a message."""

    def convert(text: str) -> T:
        if not pattern.fullmatch(text):
            raise argparse.ArgumentTypeError(f"must be {what}, got {shown(text)}")
        return read(text)

    convert.__name__ = what  # argparse shows it, should `read` refuse the word
    return convert


whole_number = _reader(_WHOLE_NUMBER, int, "a whole number")
_decimal = _reader(_DECIMAL, float, "a number")
_READERS: dict[Any, Callable[[str], Any]] = {int: whole_number, float: _decimal, str: str}


def _takes_a_value(action: argparse.Action | None) -> bool:
    return action is not None and action.nargs is None


def _suggest_option(name: str, known: Iterable[str]) -> str:
    """Return a suggestion like `suggest`, which also knows initials and parts of names."""
    flags = [flag for flag in known if flag.startswith("--")]
    wanted = name.removeprefix("--").replace("_", "-")
    if wanted:
        for flag in flags:
            words = flag.removeprefix("--").split("-")
            if len(wanted) > 1 and wanted == "".join(word[0] for word in words):
                return f"; did you mean {flag!r}?"
        alike = [flag for flag in flags if f"-{wanted}-" in f"{flag}-" and "--no-" not in flag]
        alike = [] if f"--{wanted}s" in flags else alike
        if alike:
            return f"; did you mean {' or '.join(map(repr, alike[:3]))}?"
    return suggest(name, flags)


class _HelpFormatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


def flag_of(option: str) -> str:
    """Return how an option is written on the command line."""
    return "--" + option.replace("_", "-")


def add_options(
    parser: argparse.ArgumentParser,
    title: str,
    cls: type,
    *,
    common: Container[str] | None = None,
    description: str | None = None,
) -> None:
    """Add an option for every field of a dataclass; one that is there already serves both.

    A choice of two words, such as ``"stop-after N"``, may be given as two.

    Args:
        parser: of a command.
        title: of the group in the help.
        cls: the dataclass.
        common: options that stand in this group, all others under `MORE`; None for all.
        description: what the help says of the group.
    """
    group = _group(parser, title)
    group.description = description or group.description
    kinds = option_types(cls)
    for field in dataclasses.fields(cls):
        flag = flag_of(field.name)
        if flag in parser._option_string_actions:
            # One flag for both, seed for example: it says what it is for both.
            action = parser._option_string_actions[flag]
            if field.metadata["help"] not in (action.help or ""):
                action.help = f"{field.metadata['help']}; {action.help}"
            continue
        pairs = [choice.split()[0] for choice in field.metadata["choices"] if " " in choice]
        if pairs and isinstance(parser, Parser):
            parser.two_words[flag] = tuple(pairs)
        is_common = common is None or field.name in common
        (group if is_common else _group(parser, MORE)).add_argument(
            flag,
            dest=field.name,
            default=NOT_GIVEN,
            help=_help(field),
            **_conversion(field, kinds[field.name]),
        )


def _group(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    known = (group for group in parser._action_groups if group.title == title)
    return next(known, None) or parser.add_argument_group(title)


def collect(
    classes: dict[str, type],
    arguments: argparse.Namespace,
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Build the options of every section from the settings file and the flags, which override it.

    Args:
        classes: the dataclass of every section of the file, for example ``{"train": TrainConfig}``.
        arguments: the parsed command line.
        settings: the sections of a settings file, see `read_settings`.

    Returns:
        An object of its dataclass for every section.

    Raises:
        ValueError: if a section or option is unknown, or a value is refused.
        TypeError: if a value has the wrong type.
    """
    built: dict[str, Any] = {}
    for section, cls in classes.items():
        values = dict(settings.get(section, {}))
        if values:
            # The file alone first, so that its mistakes are not blamed on a flag.
            from_mapping(cls, values, where=f"{arguments.config} [{section}]")
        values.update(given(arguments, [field.name for field in dataclasses.fields(cls)]))
        built[section] = from_mapping(cls, values, where="options")
    return built


def given(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return the flags among `names` that were given on the command line."""
    values = {name: getattr(arguments, name, NOT_GIVEN) for name in names}
    return {name: value for name, value in values.items() if value is not NOT_GIVEN}


def read_settings(path: Path | None, sections: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read a TOML settings file and check the names of its sections; no file has none.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no TOML, or has an unknown section or a key outside of one.
    """
    if path is None:
        return {}
    try:
        content = load_toml(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"settings file {path} does not exist") from None
    known = list(sections)
    for name, value in content.items():
        if name not in known:
            raise ValueError(f"{path}: unknown section [{shortened(name)}]{suggest(name, known)}")
        if not isinstance(value, dict):
            raise ValueError(f"{path}: {name!r} must be a section [{name}], got {shown(value)}")
    return content


def _conversion(field: dataclasses.Field[Any], kind: Any) -> dict[str, Any]:
    plain = [member for member in members(kind) if member is not type(None)]
    if plain == [bool]:
        return {"action": argparse.BooleanOptionalAction}
    may_be_none = type(None) in members(kind)

    def convert(text: str) -> Any:
        if may_be_none and text == "none":
            return None
        for member in plain:
            inner = _sequence_of(member)
            try:
                read = _READERS[inner or member]
                return tuple(map(read, text.split(","))) if inner else read(text)
            except (ValueError, argparse.ArgumentTypeError):
                continue
        raise argparse.ArgumentTypeError(f"must be {_describe(kind)}, got {shown(text)}")

    convert.takes_several = any(map(_sequence_of, plain))  # type: ignore[attr-defined]
    return {"type": convert, "metavar": _metavar(field, kind)}


def _sequence_of(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) in SEQUENCES else None


def _describe(kind: Any) -> str:
    names = []
    for member in members(kind):
        inner = _sequence_of(member)
        if member is type(None):
            names.append("none")
        elif inner:
            names.append(f"{inner.__name__}s separated by commas")
        else:
            names.append({int: "a whole number", float: "a number", str: "text"}[member])
    return " or ".join(names)


def _metavar(field: dataclasses.Field[Any], kind: Any) -> str:
    choices = field.metadata.get("choices")
    if choices:
        return "|".join(choices)
    plain = [member for member in members(kind) if member is not type(None)]
    inner = _sequence_of(plain[0])
    if inner:
        return f"{inner.__name__.upper()},..."
    return {int: "N", float: "X", str: "NAME"}.get(plain[0], "VALUE")


def _help(field: dataclasses.Field[Any]) -> str:
    default = field.default
    if isinstance(default, bool):
        default = str(default).lower()
    elif isinstance(default, Sequence) and not isinstance(default, str):
        default = ",".join(map(str, default))
    elif default is None:
        default = "none"
    text = field.metadata["help"]
    shown = text if "(default: " in text else f"{text} (default: {default})"
    return shown.replace("%", "%%")
