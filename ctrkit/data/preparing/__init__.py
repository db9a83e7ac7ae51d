"""A raw log -> prepared data, in two passes."""

from ctrkit.data.preparing.config import PrepareConfig, Progress, ReadConfig, SourceConfig
from ctrkit.data.preparing.preparation import prepare
