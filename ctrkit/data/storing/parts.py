"""The parts of prepared data, and the files of each."""

PARTS = ("train", "valid", "test")

IDS_FILE = "ids.npy"
LABELS_FILE = "labels.npy"
VALUES_FILE = "values.npy"
