"""Campaigns, their ad sets and ads: who lives in whom, what they are called, how well they do on an average day."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from dataflow_assets.sandbox.world.accounts import Account
from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.config import WorldConfig
from dataflow_assets.sandbox.world.lifecycle import Life, Move, Story, live

# The first six campaigns of every account tell one of these each, so that the smallest world shows them all.
CAMPAIGN_STORIES = (
    Story(0, ((350, Move.BUDGET), (800, Move.BUDGET))),
    Story(0, ((300, Move.RENAME), (450, Move.BUDGET), (700, Move.RENAME))),
    Story(450, ((600, Move.BUDGET),)),
    Story(50, ((300, Move.PAUSE), (450, Move.RESUME), (850, Move.PAUSE))),
    Story(30, ((550, Move.ARCHIVE),), ends=450),
    Story(0, ((500, Move.PAUSE), (650, Move.DELETE))),
)
AD_SET_STORIES = (
    Story(0, ((400, Move.BUDGET),)),
    Story(200, ((500, Move.RENAME), (900, Move.PAUSE))),
)
AD_STORIES = (
    Story(0, ((400, Move.RENAME),)),
    Story(250),
    Story(0, ((450, Move.PAUSE), (500, Move.DELETE))),
    Story(0, ((600, Move.ARCHIVE),)),
)

_THEMES = (
    "Spring Sale",
    "Prospecting",
    "Retargeting",
    "Frühling",
    "Brand",
    "春セール",
    "New arrivals",
    "Back to school",
)
_AUDIENCES = (
    "25-54",
    "Lookalike 1%",
    "Website visitors",
    "Interest: design",
    "Broad",
    "Été",
    "18-34",
    "Newsletter",
)
_FORMATS = (
    "Video A",
    "Carousel",
    "Still blue",
    "Testimonial",
    "Video B 🎬",
    "Collection",
    "Offer 10%",
    "Still red",
)


class Goal(StrEnum):
    """What a campaign is paid to bring."""

    SALES = "sales"
    LEADS = "leads"
    TRAFFIC = "traffic"


_GOALS = (Goal.SALES, Goal.SALES, Goal.LEADS, Goal.SALES, Goal.TRAFFIC, Goal.SALES)


@dataclass(frozen=True, slots=True, eq=False)
class Campaign:
    """A campaign. `shares_budget` says that the budget is its own and not its ad sets'; money in minor units."""

    account: Account
    index: int
    salt: bytes
    goal: Goal
    shares_budget: bool
    life: Life


@dataclass(frozen=True, slots=True, eq=False)
class AdSet:
    """A part of a campaign with its own audience."""

    campaign: Campaign
    index: int
    salt: bytes
    life: Life

    @property
    def account(self) -> Account:
        """The account it runs in."""
        return self.campaign.account


@dataclass(frozen=True, slots=True, eq=False)
class Ad:
    """One ad, and its averages.

    `spend` per day and `cpm` (per thousand impressions) are in minor units; `click_rate` is in clicks per 100,000
    impressions, `link_share` in thousandths of clicks, `buy_rate` in results per 1,000 link clicks; `basket` is the
    worth of a purchase in minor units.
    """

    ad_set: AdSet
    index: int
    salt: bytes
    life: Life
    spend: int
    cpm: int
    click_rate: int
    link_share: int
    buy_rate: int
    basket: int

    @property
    def account(self) -> Account:
        """The account it runs in."""
        return self.ad_set.campaign.account

    @property
    def goal(self) -> Goal:
        """What its campaign is paid to bring."""
        return self.ad_set.campaign.goal


def lineage(node: Campaign | AdSet | Ad) -> tuple[Campaign | AdSet | Ad, ...]:
    """The thing itself, then what it lives in, up to its campaign."""
    if isinstance(node, Campaign):
        return (node,)
    return (node, *lineage(node.ad_set if isinstance(node, Ad) else node.campaign))


def build_campaign(config: WorldConfig, account: Account, index: int) -> Campaign:
    """The account's campaign number `index`."""
    identity = salt(config.seed, account.platform, "campaign", account.index, index)
    size, theme, tale, *_ = draws(identity, 1)
    number = index if index < len(CAMPAIGN_STORIES) else between(tale, 0, len(CAMPAIGN_STORIES) - 1)
    life = live(
        CAMPAIGN_STORIES[number],
        identity=identity,
        name=f"{_THEMES[between(theme, 0, len(_THEMES) - 1)]} {index + 1}",
        daily_budget=between(size, 60, 400) * 100 * account.market.price_level // 1_000,
        days=_days(config),
        parent=None,
        zone=account.zone,
    )
    return Campaign(account, index, identity, _GOALS[index % len(_GOALS)], index % 2 == 0, life)


def build_ad_set(config: WorldConfig, campaign: Campaign, index: int) -> AdSet:
    """The campaign's ad set number `index`."""
    identity = salt(campaign.salt.hex(), "ad set", index)
    audience, tale, *_ = draws(identity, 1)
    number = index if index < len(AD_SET_STORIES) else between(tale, 0, len(AD_SET_STORIES) - 1)
    life = live(
        AD_SET_STORIES[number],
        identity=identity,
        name=f"{campaign.account.market.country} {_AUDIENCES[between(audience, 0, len(_AUDIENCES) - 1)]}",
        daily_budget=max(1, campaign.life.states[0].daily_budget // config.ad_sets_per_campaign),
        days=_days(config),
        parent=campaign.life,
        zone=campaign.account.zone,
    )
    return AdSet(campaign, index, identity, life)


def build_ad(config: WorldConfig, ad_set: AdSet, index: int) -> Ad:
    """The ad set's ad number `index`."""
    identity = salt(ad_set.salt.hex(), "ad", index)
    look, tale, share, cpm, clicks, links, buys, basket = draws(identity, 1)
    market = ad_set.account.market
    if index < 2:  # noqa: PLR2004 - every ad set has a steady ad and a newcomer, then one that goes
        number = index
    elif index == 2:  # noqa: PLR2004
        number = 2 + (ad_set.campaign.index + ad_set.index) % 2
    else:
        number = between(tale, 0, len(AD_STORIES) - 1)
    life = live(
        AD_STORIES[number],
        identity=identity,
        name=f"{_FORMATS[between(look, 0, len(_FORMATS) - 1)]} {index + 1}",
        daily_budget=0,
        days=_days(config),
        parent=ad_set.life,
        zone=ad_set.account.zone,
    )
    budget = ad_set.life.states[0].daily_budget
    return Ad(
        ad_set,
        index,
        identity,
        life,
        spend=max(1, budget * between(share, 500, 1_100) // 1_000 // config.ads_per_ad_set),
        cpm=max(1, between(cpm, 350, 1_400) * market.price_level // 1_000),
        click_rate=between(clicks, 900, 3_200),
        link_share=between(links, 550, 900),
        buy_rate=between(buys, 15, 60),
        basket=max(1, between(basket, 1_990, 11_990) * market.price_level // 1_000),
    )


def _days(config: WorldConfig) -> tuple[int, int]:
    return config.start.toordinal(), (config.start + timedelta(days=config.days)).toordinal()
