"""Files into blocks: line numbers, compression, damage."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile

import pytest

from ctrkit.data import Field, Schema, infer_schema
from ctrkit.data.reading.text.source import TextSource

SCHEMA = Schema([Field("a"), Field("b")])
HEADERLESS = Schema([Field("a"), Field("b")], header=False, separator="\t", quote="")


def read(path, schema=SCHEMA, block_bytes=1 << 20):
    """All rows, each with where it came from."""
    rows = []
    for block in TextSource(path, block_bytes=block_bytes).blocks(schema):
        table = block.table(block.columns)
        texts = {}
        for name, column in table.columns.items():
            distinct = column.tokens.texts()
            texts[name] = [distinct[code] for code in column.codes]
        for row, line in enumerate(table.lines()[:-1]):
            place = table.place(line).rsplit("line ", 1)[1]
            rows.append((int(place), *(texts[name][row] for name in block.columns)))
    return rows


@pytest.fixture
def write(tmp_path):
    def write(content, name="log.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("block_bytes", [8, 13, 64, 1 << 20])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_rows_do_not_depend_on_the_blocks(write, block_bytes, line_end, last):
    lines = ["label,a,b", *(f"{n % 2},x{n * n},{'é' * (n % 5)}" for n in range(50))]
    path = write(line_end.join(lines) + line_end * last)
    expected = [(n + 2, str(n % 2), f"x{n * n}", "é" * (n % 5)) for n in range(50)]
    assert read(path, block_bytes=block_bytes) == expected


@pytest.mark.parametrize("block_bytes", [8, 20, 50, 1 << 20])
def test_a_block_never_ends_within_quotes(write, block_bytes):
    path = write('label,a,b\n0,"x\ny","1"\n1,"a ""quote"", and\n\nlines",2\n0,z,3\n')
    expected = [(2, "0", "x\ny", "1"), (4, "1", 'a "quote", and\n\nlines', "2"), (7, "0", "z", "3")]
    assert read(path, block_bytes=block_bytes) == expected


@pytest.mark.parametrize("block_bytes", [8, 20, 50, 1 << 20])
def test_a_single_quote_within_a_cell_does_not_swallow_the_file(write, block_bytes):
    path = write('label,a,b\n0,5" screen,1\n' + "1,x,2\n" * 30)
    rows = read(path, block_bytes=block_bytes)
    assert rows[0] == (2, "0", '5" screen', "1")
    assert len(rows) == 31


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gz", "xz"])
def test_compressed_files_are_known_by_their_content(write, pack):
    packed = pack(b"label,a,b\n0,x,y\n")
    path = write(packed, name="log.data")
    assert read(path) == [(2, "0", "x", "y")]


def tarred(mode):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        content = b"label,a,b\n0,x,y\n"
        entry = tarfile.TarInfo("log.csv")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("log.csv", "label,a,b\n0,x,y\n")
    return stream.getvalue()


ARCHIVES = [
    (zipped(), "a zip archive"),
    (bz2.compress(b"label,a,b\n0,x,y\n"), "packed by bzip2"),
    (b"\x28\xb5\x2f\xfd" + bytes(20), "packed by Zstandard"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(20), "a 7z archive"),
    (tarred("w"), "a tar archive"),
    (tarred("w:gz"), "a tar archive"),
    (tarred("w:xz"), "a tar archive"),
]


@pytest.mark.parametrize(("content", "what"), ARCHIVES)
def test_what_cannot_be_read_packed_is_to_be_unpacked(write, content, what):
    with pytest.raises(ValueError, match=rf"log.data is {what}; unpack it first"):
        infer_schema(write(content, "log.data"))


def test_a_text_that_begins_like_bzip2_is_a_text(write):
    assert read(write("BZh9,label\nx,1\n")) == [(2, "x", "1")]


def test_a_byte_order_mark_is_not_part_of_the_first_name(write):
    assert read(write(b"\xef\xbb\xbflabel,a,b\n0,x,y\n")) == [(2, "0", "x", "y")]


def test_columns_may_come_in_any_order(write):
    source = TextSource(write("b,label,a\n1,0,2\n"))
    assert next(source.blocks(SCHEMA)).columns == ("b", "label", "a")


def test_a_file_without_header_may_lack_the_label(write):
    with_label = TextSource(write("0\tx\ty\n", "one"))
    without = TextSource(write("x\ty\n", "two"))
    assert next(with_label.blocks(HEADERLESS)).columns == ("label", "a", "b")
    assert next(without.blocks(HEADERLESS)).columns == ("a", "b")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress], ids=["plain", "gz", "xz"])
def test_the_hash_is_that_of_the_file_read_or_not(write, pack):
    path = write(pack(b"label,a,b\n0,x,y\n" * 1000))
    fresh, used = TextSource(path), TextSource(path)
    for _ in used.blocks(SCHEMA):
        pass
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert fresh.content_hash() == used.content_hash() == expected


def test_fractions_grow_to_one(write):
    source = TextSource(write("label,a,b\n" + "0,x,y\n" * 1_000_000), block_bytes=1 << 20)
    fractions = [block.fraction for block in source.blocks(SCHEMA)]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.5
    assert fractions[-1] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "log.csv is empty"),
        ("\n\n", "log.csv is empty"),
        ("label,a,b\n", "log.csv holds column names but no rows"),
        ("label,a,a\n0,1,2\n", "log.csv, line 1: column names must differ, got 'a' twice"),
        ("label,,b\n0,1,2\n", "log.csv, line 1: column 2 must have a name"),
        ("label,a,b\n0,1,2\n0,1\n", "log.csv, line 3: must have 3 columns, got 2"),
        (b"label,a,b\n0,\xff,2\n", "log.csv, line 2: text must be UTF-8, got byte 0xff"),
        (b"label,a,\xff\n0,1,2\n", "log.csv, line 1: text must be UTF-8"),
        ("label,a,b\n0,1,2\n".encode("utf-16"), "log.csv, line 1: text must be UTF-8"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(write, content, message):
    with pytest.raises(ValueError, match=message):
        read(write(content))


def test_line_numbers_hold_in_later_blocks(write):
    path = write("label,a,b\n" + "0,x,y\n" * 500 + "0,x\n" + "0,x,y\n" * 500)
    with pytest.raises(ValueError, match="line 502: must have 3 columns, got 2"):
        read(path, block_bytes=100)


def test_a_first_line_of_another_length_is_named_in_files_without_header(write):
    with pytest.raises(
        ValueError, match=r"log.csv, line 1: must have 3 columns, got 4; they begin"
    ):
        read(write("0\tx\ty\tz\n"), HEADERLESS)


@pytest.mark.parametrize(
    ("pack", "name"), [(gzip.compress, "log.csv.gz"), (lzma.compress, "log.csv.xz")]
)
def test_a_truncated_file_is_named(write, pack, name):
    packed = pack("".join(f"0,{n * n},{n**3}\n" for n in range(20_000)).encode())
    path = write(packed[: len(packed) // 2], name)
    with pytest.raises(ValueError, match=rf"{name} is damaged or cut short near line \d+"):
        read(path, Schema([Field("a"), Field("b")], header=False))


def test_a_damaged_gz_is_named(write):
    packed = bytearray(gzip.compress(b"0,1,2\n" * 1000))
    packed[-6] ^= 0xFF
    with pytest.raises(ValueError, match=r"log.csv.gz is damaged or cut short near line"):
        read(write(bytes(packed), "log.csv.gz"), Schema([Field("a"), Field("b")], header=False))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.csv does not exist"):
        TextSource(tmp_path / "none.csv")


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="must be a file, got a directory"):
        TextSource(tmp_path)


def test_a_line_without_end_is_refused(write, monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.limits.MAX_LINE_BYTES", 1000)
    path = write('label,a,b\n0,x,"' + "y\n" * 1000)
    with pytest.raises(
        ValueError, match=r"log.csv, line 2: a row of several lines must have at most 1,000 bytes"
    ):
        read(path, block_bytes=100)
