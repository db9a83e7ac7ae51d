"""Files that are whole or not there, and files read with care."""

from ctrkit.files.atomic import (
    FOLDER_SUFFIX,
    REPLACED,
    atomic_write,
    exchange,
    final_name,
    locked,
    named_when_full,
    only_writer,
    remove_left_overs,
    sync,
    sync_all,
    temporary_beside,
    write_together,
)
from ctrkit.files.checks import check_depth, check_is_file, check_writable, hex_crc32, part_of
from ctrkit.files.json_files import load_json, save_json
from ctrkit.files.npy import crc32_of, map_array
from ctrkit.files.toml import load_toml, parse_toml, toml_key, toml_value
