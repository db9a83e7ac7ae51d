"""Patterns of times: checked early, and never a hang."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrkit.data import Field, Schema
from ctrkit.data.columns.numbers import NO_NUMBER
from ctrkit.data.columns.times import check_pattern, seconds_of
from ctrkit.data.columns.tokens import Tokens

directives = st.sampled_from([f"%{letter}" for letter in "aAbBcCdDfFgGHIjmMnpsSTuUVwWxXyYzZ%"])
patterns = st.lists(directives | st.text("-/: %0T年\n\t\0", max_size=2), max_size=20).map("".join)


def refusal(pattern):
    try:
        check_pattern(pattern)
    except ValueError as error:
        return str(error)
    return None


@given(patterns | st.text(max_size=30))
@example("%1000000000d")
@example("%d" * 40)
@example("%Z %z")
@example("%\ud800")
def test_a_pattern_reads_what_it_writes_or_is_refused_with_one_line(pattern):
    found = refusal(pattern)
    if found is not None:
        assert found.startswith("time_format must")
        assert "\n" not in found
        return
    written = datetime(2014, 10, 21, 9, tzinfo=UTC).strftime(pattern)
    seconds, bad = seconds_of(Tokens.from_texts([written, "", "now", "x" * 50]), pattern)
    assert bad.tolist() == [False, False, True, True]
    assert [second == NO_NUMBER for second in seconds.tolist()] == [False, True, True, True]


def test_a_long_pattern_is_refused_at_once():
    begin = time.process_time()
    message = "field t: time_format must have at most 100 characters, got 1,000,000"
    with pytest.raises(ValueError, match=message):
        Field("t", "timestamp", time_format="%Y" * 500_000)
    with pytest.raises(ValueError, match=message):
        Schema.from_toml(
            '[fields]\nt = { kind = "timestamp", time_format = "' + "%Y" * 500_000 + '" }\n'
        )
    assert time.process_time() - begin < 1


texts_of_times = st.text("0123456789-:TZ+. nowtday", max_size=30) | st.text(max_size=10)


@given(st.lists(texts_of_times.filter(lambda text: "\0" not in text), max_size=5))
@pytest.mark.parametrize(
    "pattern", ["iso", "epoch", "%Y-%m-%d %H:%M:%S.%f%z", "%j %y %Z", "%G-%V-%u"]
)
def test_any_text_is_a_time_or_named(pattern, texts):
    seconds, bad = seconds_of(Tokens.from_texts(texts), pattern)
    for text, second, is_bad in zip(texts, seconds.tolist(), bad.tolist(), strict=True):
        if is_bad or not text:
            assert is_bad == bool(text)
        else:
            assert text.isascii()
            assert text == text.strip()
            assert any(map(str.isdigit, text))
            assert abs(second) < 1 << 62
