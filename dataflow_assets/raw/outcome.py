"""What happened in a sync: per account, and of a stream as a whole."""

from dataclasses import dataclass, field

from dataflow_assets.connectors.base import Account, Connector, Stream, Window
from dataflow_assets.raw.ledger import Counts
from dataflow_assets.raw.savings import FullSync
from dataflow_assets.resources.http import Tally
from dataflow_assets.resources.watermarks import Watermark


@dataclass
class AccountReport:
    """What happened to one account's stream."""

    account: Account
    counts: Counts = field(default_factory=Counts)
    tally: Tally = field(default_factory=Tally)
    windows: list[Window] = field(default_factory=list)  # published ones
    touched_days: set[object] = field(default_factory=set)
    unknown_fields: list[str] = field(default_factory=list)  # seen for the first time
    before: Watermark | None = None
    after: Watermark | None = None
    full: FullSync | None = None  # what reading everything would have cost
    error: str | None = None
    retry_after_seconds: float | None = None  # set when waiting is all that is needed


@dataclass
class StreamReport:
    """What happened to a stream, account by account."""

    connector: Connector
    stream: Stream
    accounts: list[AccountReport]
    overhead: Tally  # requests that were about no single account

    @property
    def counts(self) -> Counts:
        """Rows of all accounts."""
        total = Counts()
        for report in self.accounts:
            total.add(report.counts)
        return total

    @property
    def tally(self) -> Tally:
        """Cost of all accounts."""
        total = Tally()
        total.add(self.overhead)
        for report in self.accounts:
            total.add(report.tally)
        return total

    @property
    def failed(self) -> list[AccountReport]:
        """Accounts that did not come through."""
        return [report for report in self.accounts if report.error is not None]
