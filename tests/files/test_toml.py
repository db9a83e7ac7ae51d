"""TOML is read in bounded time and memory."""

import pytest

from ctrkit.data import Field, Schema
from ctrkit.files.json_files import load_json, save_json
from ctrkit.files.toml import MAX_BYTES, load_toml, parse_toml
from ctrkit.options import MAX_COLUMNS

LONG = "a." * 40 + "a"


@pytest.mark.parametrize("content", ["a = " + "[" * 5000, "a = " + "[" * 40 + "]" * 40])
def test_values_do_not_nest_without_end(tmp_path, content):
    (tmp_path / "x.toml").write_text(content)
    with pytest.raises(ValueError, match=r"x.toml must be TOML: .* nested"):
        load_toml(tmp_path / "x.toml")


@pytest.mark.parametrize(
    "content",
    [
        "a." * 40_000 + "a = 1",
        f"[{LONG}]",
        f"[[{LONG}]]",
        "x = {" + "a . " * 40 + "a = 1}",
        "\"a\"\t.'b'. " * 20 + "a = 1",
        f'x = """a"""\n{LONG} = 1',
        f'x = """a"""""\n{LONG} = 1',
        f"x = '''a'''''\n{LONG} = 1",
        f'x = "\\""\n{LONG} = 1',
        f"x = '\\' # '\n{LONG} = 1",
        f'x = {{a = """a"""", {LONG} = 1, b = ""}}',
    ],
)
def test_a_key_has_a_bounded_number_of_parts(content):
    with pytest.raises(ValueError, match=r"x must be TOML: a key must have at most 32 parts, got"):
        parse_toml(content, where="x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f'"{LONG}"', LONG),
        (f"'{LONG}'", LONG),
        (f'"""{LONG}"""', LONG),
        (f'"""{LONG}\n""{LONG}"""""', f'{LONG}\n""{LONG}""'),
        (f"'''{LONG}''''", f"{LONG}'"),
        (f'"\\"{LONG}"', f'"{LONG}'),
        ("[" + "0.5, " * 99 + "]", [0.5] * 99),
        (f"1 # {LONG}", 1),
        ("[1, # it's\n2]", [1, 2]),
    ],
)
def test_values_hold_as_many_dots_as_they_like(value, expected):
    assert parse_toml(f"x = {value}\n", where="x") == {"x": expected}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = [" + "1," * 250_000 + "]", "it must have at most 250,000 keys and values, got about"),
        ("x = 0x" + "f" * 20_000, "a number or a key without quotes must have at most 10,000"),
        ("x = 1." + "9" * 20_000, "a number or a key without quotes must have at most 10,000"),
        ("x" * (MAX_BYTES + 1), "it must be at most 4 MiB, got"),
        ('\\"""x\n' * 300_000, "Invalid statement"),
        ('\\"x' * 300_000, "Invalid statement"),
        ('x = """\\a', "Unescaped"),
    ],
)
def test_what_takes_long_to_read_is_refused(content, message):
    with pytest.raises(ValueError, match=f"x must be TOML: {message}") as caught:
        parse_toml(content, where="x")
    assert len(str(caught.value)) < 1100


def test_a_schema_of_as_many_columns_as_there_may_be_is_read(tmp_path):
    options = {"min_count": 10, "width": 16, "max_slots": 10, "separator": "|"}
    names = [f"a_long_name_of_a_column_{number}" for number in range(MAX_COLUMNS)]
    schema = Schema([Field(name, "multivalued", **options) for name in names])
    assert len(parse_toml(schema.to_toml(), where="x")["fields"]) == MAX_COLUMNS
    sizes = dict.fromkeys(names, 123_456)
    plain = {"schema": schema.to_mapping(), "vocabulary_sizes": sizes, "vocabulary_crc32": sizes}
    save_json(tmp_path / "x.json", plain)
    assert load_json(tmp_path / "x.json") == plain
