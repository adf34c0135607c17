"""Web push: a message to one browser, through the service that its subscription names, encrypted and signed (VAPID)."""

import time
from typing import Any

from greenroom.actors.inbox.deliveries.orders import Outcome, PushOrder, outcome_with, question_of
from greenroom.actors.inbox.messages import Still
from greenroom.config.settings import load_settings
from greenroom.transports.notices.encryption import authorization, encrypted, vapid_key
from greenroom.transports.notices.posting import GONE, judged, post

KEPT_S = 86_400  # for so long the service keeps it for a browser that is off


class SendPush(PushOrder, tag="job.inbox_push"):
    """Send it."""

    async def run(self, work: Any) -> Outcome:
        """Raises: Snooze; RuntimeError, ActorError, to be tried again."""
        settings = load_settings()
        config = settings.notices
        if config.vapid_private_key is None:
            raise RuntimeError("GREENROOM_VAPID_PRIVATE_KEY is not set here")
        question = question_of(self, work.id if work is not None else "")
        still: Still = await work.ask(*question) if question is not None else Still()
        if still.reason:
            return outcome_with(Outcome("refused", still.reason), still)
        try:
            body = encrypted((still.body or self.payload).encode(), self.p256dh, self.auth)
        except ValueError:
            return Outcome("gone", "its keys are none")
        key = vapid_key(config.vapid_private_key.get_secret_value())
        headers = [
            ("authorization", authorization(self.endpoint, key, config.vapid_subject, time.time())),
            ("content-encoding", "aes128gcm"),
            ("content-type", "application/octet-stream"),
            ("ttl", str(KEPT_S)),
            ("urgency", "normal"),
        ]
        if self.topic:
            headers.append(("topic", self.topic))
        return outcome_with(judged(await post(self.endpoint, body, headers, settings.sink), gone=GONE), still)
