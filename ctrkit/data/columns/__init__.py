"""The cells of a column: its distinct texts, and what they are as numbers and times."""

from ctrkit.data.columns.numbers import NO_NUMBER, is_number, is_whole, numbers_of, whole_numbers_of
from ctrkit.data.columns.times import check_pattern, seconds_of, spelling_of
from ctrkit.data.columns.tokens import MISSING_KEY, Column, Integers, Keys, Tokens, mix, smallest
