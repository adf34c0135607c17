"""Views as they are shown by one node: read, and watched page by page. Put together here."""

from collections.abc import Callable, Iterable

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Views
from greenroom.actors.views.page_actor import page_kind
from greenroom.actors.views.reader import ViewReader
from greenroom.store.views.reading import RowReading
from greenroom.store.views.store import Version
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.supervisors.views.pages import Elsewhere, Pages

SEARCH_SHARE = 4  # one in so many connections may be busy with a search


def reader_of(views: Views, kinds: Kinds, reading: RowReading, *, connections: int = 8) -> ViewReader:
    """What reads them; pages of those that can be watched are installed among `kinds`. `reading` asks over so many
    connections."""
    reader = ViewReader(views, reading, searches=max(1, connections // SEARCH_SHARE))
    for one in views:
        if one.view.watch is not None:
            kinds.install(page_kind(one.view, reader))
    return reader


class ShownViews:
    """Of one node. `pages` is to be run."""

    def __init__(
        self,
        reader: ViewReader,
        *,
        kernel: Callable[[], Kernel],
        ownership: Ownership,
        elsewhere: Elsewhere,
        node: int,
    ) -> None:
        """`kernel` is made later; `node`: this one's incarnation."""
        self.reader = reader
        self.pages = Pages(
            [one.name for one in reader.views if one.view.watch is not None],
            is_present=lambda entity: kernel().is_present(entity),
            present=lambda: kernel().present(),
            layout=reader.layout,
            put=lambda entity, message: kernel().router.put(entity, message),
            ownership=ownership,
            elsewhere=elsewhere,
            node=node,
        )
        reader.loading = self.pages.read

    def learn(self, versions: Iterable[Version]) -> None:
        """These there are, as was just read, and whoever fills them here knows so already."""
        for name in self.reader.learn(versions):
            self.pages.may_differ(name)
