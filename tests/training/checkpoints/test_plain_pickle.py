"""What ``torch.save`` writes of plain data and tensors is read back; nothing else is."""

import collections
import io
import pickle
import struct
import zipfile

import pytest
import torch

from ctrkit.models import MODELS, build_model
from ctrkit.training import TrainConfig
from ctrkit.training.checkpoints.plain_pickle import MAX_OPERATIONS, read_pickle
from ctrkit.training.checkpoints.weights import load_tensors, save_tensors
from ctrkit.training.optimizers.choice import make_optimizers

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert [*one] == [*other]
        for key, value in one.items():
            assert_same(value, other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


def test_plain_data_come_back_as_they_were(tmp_path):
    content = {
        "numbers": [0, -1, 255, 256, 65536, 2**31, -(2**40), 10**30, 0.1, -1e-320, True, False],
        "texts": ["", "Zürich", "a" * 300, None],
        "nested": {"a": {"b": [[], {}, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}},
        "by number": {0: "x", 7: {"y": [None]}},
        "shared": [(0.9, 0.999)] * 3,
    }
    save_tensors(tmp_path / "x.pt", content)
    assert_same(load_tensors(tmp_path / "x.pt"), content)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_every_type_come_back_as_they_were(tmp_path, dtype):
    numbers = (torch.arange(24) % 2).to(getattr(torch, dtype)).reshape(2, 3, 4)
    content = {
        "whole": numbers,
        "transposed": numbers.transpose(0, 2),
        "slice": numbers[1:, ::2, 1:3],
        "scalar": numbers[0, 0, 1],
        "empty": numbers[:0],
        "none": torch.empty(3, 0, dtype=numbers.dtype),
    }
    save_tensors(tmp_path / "x.pt", content)
    assert_same(load_tensors(tmp_path / "x.pt"), content)


def test_random_states_come_back(tmp_path):
    save_tensors(tmp_path / "x.pt", {"cpu": torch.get_rng_state()})
    torch.set_rng_state(load_tensors(tmp_path / "x.pt")["cpu"])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["dense", "lazy", "adagrad"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_every_model_and_optimizer_comes_back(tmp_path, name, kind, optimizer):
    torch.manual_seed(0)
    model = build_model(name, [5, 7], {"embedding_dim": 4}, where="test")
    optimizers = make_optimizers(model, TrainConfig(optimizer=optimizer, table_optimizer=kind))
    model(torch.tensor([[1, 2], [3, 4]])).sum().backward()
    for one in optimizers:
        one.step()
    content = {
        "model": dict(model.state_dict()),
        "optimizers": [one.state_dict() for one in optimizers],
    }
    save_tensors(tmp_path / "x.pt", content)
    assert_same(load_tensors(tmp_path / "x.pt"), content)


def test_what_is_loaded_is_mapped_and_may_be_written_without_changing_the_file(tmp_path):
    path = tmp_path / "x.pt"
    save_tensors(path, {"a": torch.zeros(1000)})
    before = path.read_bytes()
    load_tensors(path)["a"].fill_(1)
    assert path.read_bytes() == before


class Call:
    """Pickled, it is a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class WithState:
    """Pickled, it is an object and its attributes."""

    def __reduce__(self):
        return collections.OrderedDict, (), {"x": 1}


def list_in_itself():
    endless = []
    endless.append(endless)
    return endless


def shared_lists():
    nest = []
    for _ in range(30):
        nest = [nest, nest]
    return nest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Call(bytearray, 1 << 40), "refers to '__builtin__.bytearray', which is no tensor"),
        (Call(torch.UntypedStorage, 1 << 40), "which is no tensor"),
        (Call(torch.FloatStorage, 1 << 40), "calls what makes no tensor"),
        (Call(collections.OrderedDict, [["a", 1]]), "calls what makes no tensor"),
        (Call(torch._utils._rebuild_tensor_v2, 1, 2), "describes a tensor in no known way"),
        (Call(getattr, 1, "x"), "which is no tensor"),
        (torch.float32, "which is no tensor"),
        ({"a": torch.FloatStorage}, "holds the name of a function"),
        ({"a": (("b", torch.FloatStorage),)}, "holds the name of a function"),
        (WithState(), "sets attributes"),
        (list_in_itself(), "a second time"),
        (shared_lists(), "a second time"),
        ({(1, 2): 3}, r"a key must be a text or a number, got \(1, 2\)"),
        ({2**61 - 1: 3}, "a key must be a text or a number, got 2305843009213693951"),
        (1j, "which is no tensor"),
        ({1}, "which is no tensor"),
        (b"bytes", "which is no tensor"),
    ],
)
def test_a_pickle_of_anything_else_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        read_pickle(pickle.dumps(content, 2), lambda key, dtype: torch.zeros(0))


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"", "pickle exhausted"),
        (b".", "does not end in one value"),
        (b"]].", "does not end in one value"),
        (b"(].", "does not end in one value"),
        (b"a.", "operation 0 of its pickle has no operand"),
        (b"t.", "operation 0 of its pickle has no operand"),
        (b"](Na.", "does not end in one value"),
        (b"](a.", "operation 2 of its pickle has no operand"),
        (b"NNa.", "appends to a NoneType"),
        (b"NNNs.", "sets items of a NoneType"),
        (b"}(Nu.", "sets items of a dict"),
        (b"h\0.", "a second time"),
        (b"Nq\0.", None),
        (b"NQ.", "names the numbers of a tensor in no known way"),
        (b"NNR.", "calls what makes no tensor"),
        (b"NNb.", "sets attributes"),
        (b"\x85" * 5 + b".", "has no operand"),
        (b"N" + b"\x85" * 40 + b".", "at most 32 deep"),
        (b"N2.", "has an operation DUP"),
        (b"I1\n.", "has an operation INT"),
        (b"cos\nsystem\n.", "refers to 'os.system'"),
        (b"cos\n\x1b[31m\n.", r"refers to 'os.\\x1b\[31m'"),
        (b"N0" * (MAX_OPERATIONS // 2 + 1) + b".", "has an operation POP"),
    ],
)
def test_a_pickle_that_no_program_writes_is_refused(pickled, message):
    if message is None:
        assert read_pickle(pickled, lambda key, dtype: torch.zeros(0)) is None
        return
    with pytest.raises(ValueError, match=message):
        read_pickle(pickled, lambda key, dtype: torch.zeros(0))


@pytest.mark.slow
def test_a_pickle_has_a_bounded_number_of_operations():
    with pytest.raises(ValueError, match="at most 2,000,000 operations"):
        read_pickle(b"}" * (MAX_OPERATIONS + 2), lambda key, dtype: torch.zeros(0))


def tensor_pickle(shape, strides, offset=0, count=4, key="0"):
    """Return the pickle of a tensor as a stranger may describe it."""

    class Numbers:
        pass

    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Numbers):
                return ("storage", torch.FloatStorage, key, "cpu", count)
            return None

    arguments = (Numbers(), offset, shape, strides, False, collections.OrderedDict())
    file = io.BytesIO()
    Writer(file, 2).dump(Call(torch._utils._rebuild_tensor_v2, *arguments))
    return file.getvalue()


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (tensor_pickle((2, 2), (2, 1)), None),
        (tensor_pickle((4,), (1,), 0, 5), "numbers '0' must be 5, got 4"),
        (tensor_pickle((10**12,), (0,)), r"shape \(1000000000000,\) has fewer numbers"),
        (tensor_pickle((2, 2), (3, 1)), "has fewer numbers"),
        (tensor_pickle((2,), (1,), 3), "has fewer numbers"),
        (tensor_pickle((2,), (-1,), 3), "whole numbers for sizes and steps"),
        (tensor_pickle((-2,), (1,)), "whole numbers for sizes and steps"),
        (tensor_pickle((2,), (1,), -1), "whole numbers for sizes and steps"),
        (tensor_pickle((10**30,), (1,)), "whole numbers for sizes and steps"),
        (tensor_pickle((2.0,), (1,)), "whole numbers for sizes and steps"),
        (tensor_pickle((2,), ()), "a size and a step for each dimension"),
        (tensor_pickle((1,) * 17, (2,) * 17), "a size and a step for each dimension"),
        (tensor_pickle([2], [1]), "describes a tensor in no known way"),
        (tensor_pickle((2,), (1,), "0"), "describes a tensor in no known way"),
        (tensor_pickle((2,), (1,), 0, "4"), "in no known way"),
    ],
)
def test_a_tensor_must_have_its_numbers_in_the_file(described, message):
    numbers = torch.arange(4.0)
    if message is None:
        assert read_pickle(described, lambda key, dtype: numbers).tolist() == [[0, 1], [2, 3]]
        return
    with pytest.raises(ValueError, match=message):
        read_pickle(described, lambda key, dtype: numbers)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "best.pt"
    save_tensors(path, {"model": {"table": torch.arange(100.0)}})
    return path


def test_an_archive_has_one_directory(saved):
    whole = saved.read_bytes()
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("archive/data.pkl", b"N.")
    for content in (
        whole + other.getvalue(),
        other.getvalue() + whole,
        whole + b"\0",
        whole[:-2] + b"\1\0x",
        whole[:-22] + b"\0" * 10 + whole[-22:],
        whole[: len(whole) // 2] + other.getvalue() + whole[len(whole) // 2 :],
    ):
        saved.write_bytes(content)
        with pytest.raises(ValueError, match=r"best.pt must be .*(as an archive|directory)"):
            load_tensors(saved)


def edited_end(whole, at, new):
    start = len(whole) - at
    return whole[:start] + new + whole[start + len(new) :]


@pytest.mark.parametrize("at", range(1, 99, 3))
def test_every_byte_at_the_end_of_an_archive_matters(saved, at):
    whole = saved.read_bytes()
    content = load_tensors(saved)["model"]["table"].clone()
    saved.write_bytes(edited_end(whole, at, bytes([whole[-at] ^ 0x41])))
    try:
        found = load_tensors(saved)
    except ValueError:
        return
    # Versions, and what the 64-bit record says once more, are not read.
    assert torch.equal(found["model"]["table"], content)


def test_parts_do_not_overlap(saved):
    """A hundred names for one part would be a hundred times its size."""
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        entries = archive.infolist()
        start = archive.start_dir
    directory, position = [], start
    for entry in entries:
        length = 46 + len(entry.orig_filename) + len(entry.extra)
        directory.append(whole[position : position + length])
        position += length
    assert whole[position : position + 4] == b"PK\6\6"
    count = 50
    copies = [
        directory[4][:46].replace(directory[4][28:30], directory[4][28:30])
        + f"archive/data/{n}".encode()
        for n in range(count)
    ]
    sizes = [len(name) - 46 for name in copies]
    copies = [
        copy[:28] + struct.pack("<H", size) + copy[30:]
        for copy, size in zip(copies, sizes, strict=True)
    ]
    listed = b"".join(directory[:4] + copies)
    number = 4 + count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(listed), start, 0)
    saved.write_bytes(whole[:start] + listed + end)
    with pytest.raises(ValueError, match=r"is not where the directory says|reaches into"):
        load_tensors(saved)


def test_a_directory_of_too_many_parts_is_not_read(tmp_path):
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 0, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 0, 0, 0)
    (tmp_path / "x.pt").write_bytes(end + locator + last)
    with pytest.raises(ValueError, match="at most 65536 parts, got 1099511627776"):
        load_tensors(tmp_path / "x.pt")


def test_numbers_of_another_byte_order_are_refused(saved):
    with zipfile.ZipFile(saved) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    parts["archive/byteorder"] = b"big"
    with zipfile.ZipFile(saved, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="must be little-endian"):
        load_tensors(saved)
