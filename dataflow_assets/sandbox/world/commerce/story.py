"""What a paying customer is going to do, drawn from their salt: whom they trust, what they change, when they leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TypeVar

from dataflow_assets.sandbox.world.chance import Draws, between, draws, salt
from dataflow_assets.sandbox.world.commerce.records import Pause
from dataflow_assets.sandbox.world.customers import DAY_SECONDS, Customer

_Choice = TypeVar("_Choice")


class Topic(IntEnum):
    """What is drawn for; each has its own endless row of draws."""

    STORY = 0
    SEATS = 1
    INVOICE = 2
    CHARGE = 3
    AFTERMATH = 4
    REFUND = 5
    DISPUTE = 6
    PURCHASE = 7


class Offer(StrEnum):
    """The discount somebody subscribes with."""

    NONE = "none"
    PERCENT = "percent"
    AMOUNT = "amount"


class Ending(StrEnum):
    """How somebody leaves; those who reconsider take their notice back."""

    NEVER = "never"
    AT_PERIOD_END = "at_period_end"
    RECONSIDERED = "reconsidered"
    AT_ONCE = "at_once"


@dataclass(frozen=True, slots=True)
class Story:
    """The plan of a life. Spans are in seconds after the subscription begins; None for what never happens.

    `seat_gap` bounds the days between two changes of seats, after a `rush` of so many of them within one period.
    `failing` is how many payments of a thousand fail at the first try.
    """

    offer: Offer
    has_second_item: bool
    seat_gap: tuple[int, int] | None
    rush: int
    new_plan_after: int | None
    pause_after: int | None
    pause_seconds: int
    pause: Pause
    ending: Ending
    ends_after: int
    failing: int
    first_fails: bool
    purchases: int
    deleted_after: int | None


class Fate:
    """A customer's draws, by topic and number."""

    def __init__(self, customer: Customer) -> None:
        self._salt = salt(customer.salt.hex(), "commerce")

    def draws(self, topic: Topic, number: int = 0) -> Draws:
        """Eight independent draws for the topic's `number`-th occasion."""
        return draws(self._salt, topic << 40 | number)


def happens(draw: int, per_mille: int) -> bool:
    """Something so likely comes true."""
    return between(draw, 0, 999) < per_mille


def choose(draw: int, choices: Sequence[tuple[int, _Choice]]) -> _Choice:
    """One of the choices; the number beside each says how many of a thousand take it, and the last takes the rest."""
    left = between(draw, 0, 999)
    for share, choice in choices[:-1]:
        left -= share
        if left < 0:
            return choice
    return choices[-1][1]


def days(draw: int, least: int, most: int) -> int:
    """Seconds, between so many days."""
    return between(draw, least * DAY_SECONDS, most * DAY_SECONDS)


_OFFERS = ((150, Offer.PERCENT), (100, Offer.AMOUNT), (750, Offer.NONE))
_SEAT_GAPS = ((400, None), (400, (60, 150)), (200, (15, 50)))
_RUSHES = ((60, 7), (940, 0))
_ENDINGS = ((220, Ending.AT_PERIOD_END), (80, Ending.RECONSIDERED), (150, Ending.AT_ONCE), (550, Ending.NEVER))
_PURCHASES = ((750, 0), (130, 1), (70, 2), (50, 3))
_FAILING = ((120, 350), (880, 45))  # some people's cards fail often


def build_story(fate: Fate) -> Story:
    """The life a fate has in store."""
    offer, second, gap, rush, plan, plan_after, pause, pause_after = fate.draws(Topic.STORY, 0)
    pause_length, way, ending, ends, bad, first, purchases, deleted = fate.draws(Topic.STORY, 1)
    deleted_after, *_ = fate.draws(Topic.STORY, 2)
    return Story(
        offer=choose(offer, _OFFERS),
        has_second_item=happens(second, 120),
        seat_gap=choose(gap, _SEAT_GAPS),
        rush=choose(rush, _RUSHES),
        new_plan_after=days(plan_after, 12, 130) if happens(plan, 180) else None,
        pause_after=days(pause_after, 10, 90) if happens(pause, 90) else None,
        pause_seconds=days(pause_length, 20, 70),
        pause=tuple(Pause)[between(way, 0, len(Pause) - 1)],
        ending=choose(ending, _ENDINGS),
        ends_after=days(ends, 8, 260),
        failing=choose(bad, _FAILING),
        first_fails=happens(first, 60),
        purchases=choose(purchases, _PURCHASES),
        deleted_after=days(deleted_after, 15, 220) if happens(deleted, 60) else None,
    )
