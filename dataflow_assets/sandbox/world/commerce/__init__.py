"""What is paid in the world: subscriptions, invoices, payments and what comes back of them.

A customer's life is told once, in order of time, from their draws alone; whatever it was at some instant is read off by
comparing. How it is told up to an instant never depends on how far it is told.
"""

from dataflow_assets.sandbox.world.commerce.books import EVENT_DAYS, Commerce
from dataflow_assets.sandbox.world.commerce.catalog import Seller
from dataflow_assets.sandbox.world.commerce.records import Timeline

__all__ = ["EVENT_DAYS", "Commerce", "Seller", "Timeline"]
