"""Cells -> ids and values: vocabularies, statistics, the encoder."""

from ctrkit.data.encoding.buckets import fit_cuts
from ctrkit.data.encoding.click_history import (
    HISTORY_VALUES,
    MAX_HISTORY_KEYS,
    ClickCounts,
    ClickHistory,
    fit_click_counts,
    history_keys,
)
from ctrkit.data.encoding.columns import check_columns, check_header
from ctrkit.data.encoding.crosses import category_cells
from ctrkit.data.encoding.encoder import Encoder
from ctrkit.data.encoding.encoder_files import ENCODER_FOLDERS
from ctrkit.data.encoding.needs import needed_columns, needs_statistics, needs_vocabulary
from ctrkit.data.encoding.schema_file import (
    FORMAT_VERSION,
    SCHEMA_FILE,
    check_version,
    entry_of,
    read_schema_file,
)
from ctrkit.data.encoding.statistics import Statistics, fit_statistics, log1p_of
from ctrkit.data.encoding.stream import read_rows
from ctrkit.data.encoding.vocabulary import Counted, Vocabulary, by_frequency, count_keys
