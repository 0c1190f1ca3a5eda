"""The rows the benchmark's API serves: made from their number alone, so that every process knows them.

Ads by day, oldest change first: 13 fields, ids of 17 digits, decimals as strings, actions on 30 % of the rows. Within a
day the ads come in no order. Four rows share each time of change. In the changed world every hundredth row has other
figures and a newer time of change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DAYS = 250
FIRST_DAY = date(2025, 1, 1)
PAGE_ROWS = 1_000
CHANGED_EVERY = 100
_STRIDE = 7_919  # a prime: walks the ads of a day in an order of its own


@dataclass(frozen=True)
class Totals:
    """What a table of these rows must add up to. Money in cents, fractions in tenths."""

    rows: int = 0
    impressions: int = 0
    clicks: int = 0
    spend: int = 0
    conversions: int = 0
    value: int = 0
    with_actions: int = 0


@dataclass(frozen=True)
class Rows:
    """The world of so many rows. `rows` is a multiple of a day's ads."""

    rows: int

    @property
    def ads(self) -> int:
        """Ads, each with one row a day."""
        return max(self.rows // DAYS, 1)

    def changed(self) -> range:
        """Numbers of the rows that change."""
        return range(0, self.rows, CHANGED_EVERY)

    def numbers(self, row: int, version: int) -> tuple[int, int, int, int, int]:
        """Impressions, clicks, cents spent, tenths of conversions, cents of value."""
        mixed = (row * 2_654_435_761 + version * 97) % 4_294_967_296
        impressions = mixed % 100_000
        return impressions, impressions % 977, mixed % 1_000_000, mixed % 313, mixed % 2_000_003

    def updated_at(self, row: int, version: int) -> datetime:
        """When a row last changed: four rows at a time share a moment of their own day, changed ones a later one."""
        if version:
            day, ad = DAYS, row // CHANGED_EVERY
        else:
            day, ad = divmod(row, self.ads)
        seconds = ad // 4 * 80_000 // max(self.ads, 1)
        return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=seconds)

    def json(self, row: int, version: int = 0) -> str:
        """A row as the API sends it."""
        day, place = divmod(row, self.ads)
        ad = place * _STRIDE % self.ads if self.ads % _STRIDE else place
        impressions, clicks, spend, conversions, value = self.numbers(row, version)
        actions = (
            f'[{{"action_type":"purchase","value":"{conversions}"}},{{"action_type":"lead","value":"{clicks}"}}]'
            if has_actions(row)
            else "null"
        )
        return (
            f'{{"ad_id":"{23_850_000_000_000_001 + ad * 7}","date":"{FIRST_DAY + timedelta(days=day)}",'
            f'"updated_at":"{self.updated_at(row, version):%Y-%m-%dT%H:%M:%S}+00:00","account_id":"12345678901234567",'
            f'"campaign_id":"{12_020_000_000_000_003 + ad // 50}","campaign_name":"Campaign {ad // 50} é spring",'
            f'"impressions":{impressions},"clicks":{clicks},"spend":"{spend / 100:.2f}",'
            f'"conversions":"{conversions / 10:.1f}","conversion_value":"{value / 100:.2f}","currency":"EUR",'
            f'"actions":{actions}}}'
        )

    def all(self, versions: Iterator[tuple[int, int]]) -> Totals:
        """The totals of rows, given by number and version."""
        sums = [0] * 7
        for row, version in versions:
            for place, number in enumerate((1, *self.numbers(row, version), has_actions(row))):
                sums[place] += number
        return Totals(*sums)

    def totals(self, *, changed: bool = False) -> Totals:
        """What the whole world adds up to, before or after the change."""
        return self.all((row, int(changed and row % CHANGED_EVERY == 0)) for row in range(self.rows))


def has_actions(row: int) -> bool:
    """Three rows in ten have actions."""
    return row % 10 < 3  # noqa: PLR2004  three of ten
