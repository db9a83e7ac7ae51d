"""Prepared data on the disk: written, opened, checked."""

from ctrkit.data.storing.dataset import Dataset, PreparedData, load
from ctrkit.data.storing.folder import TemporaryFolder, check_replaceable, new_folder
from ctrkit.data.storing.parts import PARTS
from ctrkit.data.storing.spill import Stored, spill
from ctrkit.data.storing.writer import PartWriter
