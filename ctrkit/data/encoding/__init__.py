"""Cells -> ids and values: vocabularies, statistics, the encoder."""

from ctrkit.data.encoding.encoder import (
    FORMAT_VERSION,
    SCHEMA_FILE,
    Encoder,
    check_columns,
    check_header,
    check_version,
    entry_of,
    read_schema_file,
)
from ctrkit.data.encoding.needs import needed_columns, needs_statistics, needs_vocabulary
from ctrkit.data.encoding.statistics import Statistics, fit_statistics
from ctrkit.data.encoding.stream import read_rows
from ctrkit.data.encoding.vocabulary import Vocabulary, by_frequency, count_keys
from ctrkit.data.encoding.vocabulary_files import VOCABULARY_FOLDER
