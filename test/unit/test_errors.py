# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What came from outside is named in errors without flooding or forging a line of the log."""

from __future__ import annotations

import pytest

from spatialgeo_ros.errors import BadRequestError, InternalError, escaped, quoted


def test_short_plain_text_is_quoted_as_it_is():
    assert quoted("the Küche's cup") == "'the Küche's cup'"
    assert quoted(3.5) == "'3.5'"
    assert escaped("", 10) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n[ERROR] b", r"'a\n[ERROR] b'"),
        ("\x1b[2Jx\0", r"'\x1b[2Jx\x00'"),
        ("a\u202eb\u2028", r"'a\u202eb\u2028'"),  # right-to-left override, line separator
        ("\udc80", r"'\udc80'"),  # half a surrogate pair: cannot be sent as UTF-8
    ],
    ids=["line", "terminal", "direction", "surrogate"],
)
def test_control_characters_are_escaped(text, shown):
    assert quoted(text) == shown
    quoted(text).encode()


def test_long_text_is_cut_and_says_so():
    assert quoted("x" * 1_000_000) == f"'{'x' * 80}... (1000000 characters)'"
    assert quoted("x" * 80) == f"'{'x' * 80}'"


def test_no_error_repeats_a_megabyte_or_a_line_break():
    for error in (BadRequestError(f"no camera '{'x' * 10**6}'"), InternalError("a\nb")):
        assert len(str(error)) < 2100
        assert "\n" not in str(error)
    assert str(BadRequestError("plain: 1.0 ± 0.1 m")) == "plain: 1.0 ± 0.1 m"
    assert str(BadRequestError()) == ""
