"""The pages: what a browser or a scraper asks for. A Quart app that Hypercorn serves, off the live paths."""

from transports.pages.app import PagesContext, create_pages

__all__ = ["PagesContext", "create_pages"]
