"""The pages: what a browser or a scraper asks for. A Quart app that Hypercorn serves, off the live paths."""

from greenroom.transports.pages.context import Bounds, PagesContext
from greenroom.transports.pages.on_demand import PagesOnDemand

__all__ = ["Bounds", "PagesContext", "PagesOnDemand"]
