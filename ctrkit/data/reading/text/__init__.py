"""Text files, compressed or not: bytes -> records -> columns."""

from ctrkit.data.reading.text.source import TextSource
