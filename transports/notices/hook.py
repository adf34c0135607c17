"""A user's own URL: notices as JSON, signed as all our webhooks are, with that user's secret."""

import time
from typing import Any

from greenroom.actors.inbox.deliveries.orders import HookOrder, Outcome, outcome_with, question_of
from greenroom.actors.inbox.messages import Still
from greenroom.config.settings import load_settings
from greenroom.transports.notices.posting import judged, post
from greenroom.transports.webhooks.signing import keys_of, signed

GONE = frozenset((410,))


class SendHook(HookOrder, tag="job.inbox_hook"):
    """Post it. Another attempt has the same `webhook-id`."""

    async def run(self, work: Any) -> Outcome:
        """Raises: Snooze; RuntimeError, ActorError, to be tried again."""
        question = question_of(self, work.id if work is not None else "")
        still: Still = await work.ask(*question) if question is not None else Still()
        if still.reason:
            return outcome_with(Outcome("refused", still.reason), still)
        body = (still.body or self.body).encode()
        headers = [("content-type", "application/json"), ("user-agent", "greenroom")]
        headers += signed(f"msg_{self.id}", int(time.time()), body, keys_of(self.secret))
        return outcome_with(judged(await post(self.url, body, headers, load_settings().sink), gone=GONE), still)
