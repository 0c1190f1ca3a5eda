"""What passes at a glance is what a look at each number would have let pass, and the same number."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow_assets.raw.numbers import MOST_DIGITS, are_plain, is_storable, plain_numbers

texts = st.text('0123456789.-+eE_, "\\nul\t', max_size=8) | st.decimals(allow_nan=True).map(str)
tokens = (
    texts.map(json.dumps)
    | st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
    | st.decimals(-1000, 1000, places=2).map(lambda number: f'"{number}"')
    | st.sampled_from(["null", "true", "[1]", '{"1": 1}'])
)


@given(st.lists(tokens, max_size=4), st.booleans(), st.booleans())
@example(['"1"', '"2,3"'], True, True)
@example(['"1', '2"'], True, True)
@example(['"-0"'], True, False)
def test_numbers_that_pass_at_a_glance_are_numbers_and_keep_their_value(
    written: list[str], can_be_null: bool, can_be_negative: bool
) -> None:
    found = plain_numbers(
        [msgspec.Raw(token.encode()) for token in written], can_be_null=can_be_null, can_be_negative=can_be_negative
    )
    if found is None:
        return
    expected = [msgspec.json.decode(token, type=Decimal | None, strict=False) for token in written]
    assert [None if text is None else Decimal(text) for text in found] == expected
    for number in expected:
        if number is None:
            assert can_be_null
        else:
            assert is_storable(number, MOST_DIGITS)
            assert can_be_negative or not number.is_signed()


@pytest.mark.parametrize(
    "written",
    [
        [],
        ["0"],
        ['"0.00"', '"4357.61"', "12", "-0.5"],
        ['"-12"', "null", "7"],
        [f'"{"9" * 20}.{"9" * 5}"'],
    ],
)
def test_what_vendors_send_every_day_passes_at_a_glance(written: list[str]) -> None:
    raws = [msgspec.Raw(token.encode()) for token in written]
    told = [None if token == "null" else token.strip('"') for token in written]
    assert plain_numbers(raws, can_be_null=True, can_be_negative=True) == told


@given(st.lists(st.none() | st.decimals(), max_size=4), st.none() | st.integers(-5, 5).map(Decimal))
def test_decimals_that_pass_at_a_glance_would_pass_one_by_one(
    numbers: list[Decimal | None], low: Decimal | None
) -> None:
    if are_plain(numbers, low):
        for number in numbers:
            assert number is None or (is_storable(number, MOST_DIGITS) and (low is None or number >= low))
