"""The views of the chat: which rooms there are, whose conversations, and what was said where."""

from greenroom.actors.chat.views.conversations import Conversations
from greenroom.actors.chat.views.messages import Messages
from greenroom.actors.chat.views.rooms import Rooms

__all__ = ["Conversations", "Messages", "Rooms"]
