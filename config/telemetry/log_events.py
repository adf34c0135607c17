"""What each log event means and what to do: a sentence for docs/reference/log-events.md.

The rest of that page (level, fields, file) is read from the calls; a test says when an event has no sentence here, or a
sentence no event.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accept_failed": (
            "No connection could be accepted, mostly for want of descriptors; tried again soon. Raise the "
            "process's limit of open files, or lower GREENROOM_GATE_CONNECTIONS_MAX."
        ),
        "append_damaged": (
            "The store refuses what the entity with this row in `heads` recorded; the others of that commit are "
            "written. The entity handles those messages again one by one, and the one to blame becomes a dead letter."
        ),
        "append_refused": (
            "What an entity had decided was not taken: another activation owns it, or the journal knows the command "
            "already. It is built anew, and what was open is decided again."
        ),
        "admin_not_answered": (
            "An operator's question was not answered, since Postgres did not answer in time; `error` says more. The "
            "page shows what nodes have in memory, and asks again."
        ),
        "asyncio_task_abandoned": (
            "The bridge to the database's library closed before a call had ended; the caller was told so."
        ),
        "job_not_opened": (
            "A worker was given a job that is encrypted with a key which GREENROOM_JOBS_KEYS has not here; `error` "
            "names it by its hash. The job waits for a minute, and that was no attempt: give the worker the key. Or it "
            "is nothing that any key opens: then it has failed for good, and `error` says why."
        ),
        "job_days_dropped": (
            "So many days of finished jobs, or of those of one state, were older than GREENROOM_JOBS_KEPT_DAYS and its "
            "like say, or were more than GREENROOM_JOBS_KEPT_MOST, and are gone."
        ),
        "job_days_not_kept": (
            "Postgres did not answer when days of finished jobs were to be made and dropped; tried again in half a "
            "minute. Days are made three ahead: until then nothing is amiss."
        ),
        "jobs_not_looked_for": (
            "Postgres did not answer when queues looked for jobs that others have added; they look again, and find "
            "them later."
        ),
        "abandoned_untold": (
            "Nobody waits any more for the answer of another node, and the link did not take word of that: it is "
            "handled, and answered in vain."
        ),
        "answer_too_large": (
            "An answer is larger than what one node says to another at once: who asked is told that it failed. Make "
            "the entity's view or reply smaller."
        ),
        "audience_not_handed_on": (
            "The new owner of an entity could not be told who watches it: it hears so from the nodes where they do."
        ),
        "circle_not_chased": (
            "Whether handlers on several nodes wait for one another in a circle could not be asked of another node, "
            "whose link takes no more just now: if they do, they wait until the first of their deadlines."
        ),
        "dead_letters_dropped": "An admin has asked on the page that these dead letters be dropped.",
        "dead_letters_wished": "An admin has asked on the page that these dead letters be handled once more.",
        "job_steered": (
            "An admin has asked on the page for something to be done about a queue, a job or a saga: `what` is pause, "
            "resume, limit, retry, cancel, edit or drop, and `name` is whom it is about."
        ),
        "view_steered": (
            "An admin has asked on the page for something to be done about a view or a sink: `what` is pause, resume, "
            "rebuild, retry (of its parked entities, or the one named) or drop-old. As `greenroom views` does it."
        ),
        "job_abandoned": (
            "A job was to end, for it was cancelled, took too long, or its worker ends, and has not within its grace: "
            "`ending` says which. Its queue was told what became of it. A thread of its may go on, and counts among "
            "those that there may be; a process was killed. Have it call `work.progress`, or not shield itself."
        ),
        "job_progress_not_said": ("How far jobs are could not be told their queue just now; what they say next is."),
        "job_results_not_said": (
            "What became of jobs could not be told their queue just now; it is tried again until it can."
        ),
        "job_results_refused": (
            "A worker was heard of too late: its queue has given these jobs to others, whose results count. A worker "
            "that was stopped or cut off for 10 s, or a process without time for its event loop."
        ),
        "job_worker_lost": (
            "A worker of that queue has ended, as is seen on its own host, or was not heard of for 10 s: what it had "
            "is begun anew by others. A job of which three workers are lost has failed."
        ),
        "job_worker_not_heard": (
            "A worker could not tell its queue that it is there, or that it leaves; it tries again, or its lease ends."
        ),
        "jobs_interrupted": (
            "A worker ends, and so many of its jobs have not within GREENROOM_WORK_STOP_S: they are cancelled, and go "
            "back to their queue, which was no attempt."
        ),
        "jobs_not_taken": "A worker could not ask its queue for jobs just now; it tries again.",
        "schedule_job_refused": (
            "A schedule has started no job for a tick: its class has changed, and does not take the schedule's "
            "arguments any more, or its code has raised, as the traceback says. Set the schedule anew, or declare it "
            "with others."
        ),
        "schedule_time_unknown": (
            "When a schedule fires next could not be worked out, as where its time zone is gone; it is tried again "
            "each minute. The traceback says what is wrong: set it anew."
        ),
        "schedules_declared": (
            "So many schedules were made, or changed, as the code of this node declares them: `names`, of which some "
            "are shown."
        ),
        "schedules_orphaned": (
            "So many schedules, `names`, of which some are shown, are declared no more by the code of the node that "
            "was started last: they fire no more. Where that is meant, `greenroom schedules drop` forgets them; if "
            "not, that node has other GREENROOM_ENTITIES, or another release, than it should."
        ),
        "schedules_not_declared": (
            "A schedule that the code declares was refused, as `error` says; the node goes on trying. Too many, most "
            "of all: drop some that were made by hand."
        ),
        "look_failed": (
            "What an admin page shows could not be made; the page says `internal error`, and it is tried again. A bug: "
            "the traceback says where."
        ),
        "question_failed": (
            "What an operator on another node wants to know raised here: it is shown as not answered. A bug: the "
            "traceback says where."
        ),
        "question_not_answered": "An operator's question from another node is answered, and the link did not take it.",
        "question_not_sent": (
            "An operator's question could not be sent to another node, which is shown as one that does not answer."
        ),
        "entity_erased": "Somebody wanted an entity that was erased: they are told that it is gone for good.",
        "entity_forgotten": (
            "What is being erased has left this node's memory; the number is the erasure's, in the table `erasures`."
        ),
        "feed_broken": (
            "What an entity published could not be sent to a node where it is watched: that node is told, and reads it "
            "in the journal."
        ),
        "feed_not_ended": "Another node could not be told that nobody watches its entity here any more.",
        "frame_mishandled": "A frame of another node was read, and then raised. A bug: the traceback says where.",
        "frame_unreadable": (
            "Another node said what this one can't read, and it was passed over: their releases are too far apart. "
            "At most once in ten seconds for each node; greenroom_frames_unreadable_total counts all."
        ),
        "gap_not_filled": (
            "What watchers have missed of another node's entity could not be read in the journal; tried again soon."
        ),
        "held_longer": "Messages to an entity that has moved wait on: the link to its new node takes no more just now.",
        "message_unknown": (
            "Another node sent a message of a kind, or a type, that this node's release does not know; it was refused "
            "for now. As during a rolling release; else install the entity on all nodes."
        ),
        "clock_differs": (
            "The clock of this host and the database's are so far apart: events bear wrong times, durable timers and "
            "tokens are early or late. Set the one that is wrong; a node that shares the database does not start so."
        ),
        "release_lacks": (
            "A node of another release shares the database, or did so within the last week, and knows these things, "
            "which this one does not: kinds and messages are refused with `not_in_release`, and no snapshots are made "
            "of kinds of whose events this release does not read all. As while a release is rolled out or back."
        ),
        "release_unreadable": (
            "What another release knows is in a form that this one does not read: nobody gives way for it."
        ),
        "entity_of_newer_release": (
            "A newer release has recorded an event of this entity that this node's can't read. It is refused with "
            "`not_in_release` until a node of that release owns it; else bring that release back, or an upcaster."
        ),
        "position_unknown": (
            "An entity would not say how far its journal reaches, so watchers on another node may miss something until "
            "it publishes again. `error` says why."
        ),
        "shards_untold": "A node could not be told that shards are its own now; it reads so in the database, later.",
        "left_untold": "A node could not be told that this one has left; it reads so in the database, later.",
        "page_not_told": (
            "A watched page of a view could not be told which of its rows have changed; it reads them again as soon as "
            "it can."
        ),
        "pages_not_told": (
            "Another node could not be told which rows of its watched pages have changed; these are read again once it "
            "can be told so."
        ),
        "still_owed": "Another node could not be told yet that answers or publications for it were lost.",
        "audience_change_dropped": (
            "An entity was not told who watches it, since it was too busy. It hears of the next."
        ),
        "kafka_warned": (
            "librdkafka, with which a Kafka sink delivers, says that something is wrong; `error` has its words. What "
            "follows from it for deliveries is told by `sink_rests`."
        ),
        "ranking_model_loaded": "Feeds are ranked by this version of a model from now on.",
        "ranking_model_refused": (
            "A model file can't be used; `error` says why. Feeds are ranked by what was in it before, or by the light "
            "score. Put a whole file in its place: write it beside, then rename it. What could not be read for another "
            "reason is tried again every few seconds."
        ),
        "ranking_scores_failed": (
            "A model that could be read does not score; `error` says why. Feeds are ranked by the light score until "
            "its file is another."
        ),
        "exposures_dropped": (
            "The folder of exposures had too many files, and the oldest went, read or not. Take away those that have "
            "been read."
        ),
        "key_set_replaced": (
            "The file of public keys holds others now: tokens of those that left it are refused from now on."
        ),
        "key_set_unusable": (
            "The file of public keys has changed and can't be used, or can't be read; tokens of the keys before it go "
            "on counting. `error` says why. Write it anew: it is read again within ten seconds."
        ),
        "link_ended": "Another node is gone, and the link to it with it.",
        "link_parted": (
            "The link to another node began anew; `cause` says why. What was under way between them is asked again or "
            "told to be unknown. Look at that node, which stood still or could not be reached, and at Redis."
        ),
        "memory_shed": (
            "What is kept to be quick was more than GREENROOM_MEMORY_HELD_BYTES_MAX, or memory more than its bound: "
            "the oldest replies to commands, then the oldest tails of topics were given up. The journal has both."
        ),
        "memory_collected": (
            "Memory is above GREENROOM_PASSIVATION_MEMORY_BYTES_MAX, so objects that only lead to each other were "
            "looked for, which held the loop for `took_s`. At most once in ten minutes; if it goes on, raise the bound."
        ),
        "bad_command": "A client sent what the protocol does not know, and was disconnected. Look at the client.",
        "bus_away": (
            "Redis, which carries messages between nodes, can't be reached; `error` says why. What waits is sent when "
            "it is back, by itself; after GREENROOM_BUS_ABSENT_S other nodes count as out of reach. Once a minute."
        ),
        "bus_denied": (
            "Redis does not let this node in, or not do what it must: set user and password in GREENROOM_REDIS_URL, or "
            "the user's rights (streams, and keys that begin with `greenroom:`). Tried again by itself."
        ),
        "bus_entries_lost": (
            "Entries in the streams between nodes had vanished, as after Redis was restarted, wiped or short of "
            "memory, and `resent` of them were sent again. Nothing else is lost. Look at Redis if it goes on."
        ),
        "bus_entry_refused": (
            "An entry in this node's stream can't be read: of another release, whose links fail until all nodes have "
            "the same version of the wire, or of a stranger who uses the same Redis. `error` says which."
        ),
        "bus_full": (
            "Redis takes nothing more, since it has reached its `maxmemory`: messages between nodes wait, then are "
            "refused. Give it more, or evict what is not ours. Tried again by itself."
        ),
        "bus_reached": "Redis carries messages between nodes, for the first time or again.",
        "bus_read_only": (
            "The Redis of GREENROOM_REDIS_URL is a replica that takes no writes. Point it to the primary, or to the "
            "sentinels. Tried again by itself."
        ),
        "bus_refused": "Redis refused what links between nodes need; `error` has its words. Tried again by itself.",
        "bus_stalled": (
            "Redis is connected and does not answer. The connection is made anew and what waits is sent then; look "
            "what holds Redis up."
        ),
        "child_failed": "A part of the node raised; its supervisor decides what follows. The traceback says why.",
        "child_finished": "A part of the node ended by itself, as it may.",
        "child_overdue": "A part of the node has not stopped within its time. The node's stop waits for it.",
        "child_restarted": "A part of the node was started again after it failed; `child_failed` before it says why.",
        "connection_failed": "One connection raised and was closed; the others go on. A bug: the traceback says where.",
        "database_history_changed": (
            "The database is another history than before: a failover or a restore, which may have lost the newest "
            "events. Entities are read anew and clients start over; compare what was acknowledged."
        ),
        "dead_letter": "A message was given up and kept. `greenroom dead-letters` shows it, retries it, discards it.",
        "dead_letter_dropped": (
            "A message was given up, and could not be kept either: this line is all that remains of it."
        ),
        "dead_letter_handled": "A dead letter that was sent again has been handled, and is gone.",
        "dead_letter_refused_again": "A dead letter that was sent again was refused again, and stays.",
        "dead_letters_growing": (
            "New dead letters since the last such line, with the commonest kind. Look at that one first."
        ),
        "deadline_failed": "A mistake of ours: what was due could not be told so; what was due with it was.",
        "departure_failed": (
            "What an entity decided could not be let out, most likely because it can't be encoded. The traceback "
            "says what."
        ),
        "nodes_left_out": (
            "These nodes and the others do not reach one another over Redis, though all reach the database: until they "
            "do, what they own goes to those that reach one another. See to the network between them and Redis."
        ),
        "nodes_reached": "All other nodes can be spoken to again.",
        "nodes_taken_back": "Those that were left out reach the others again, and are given their parts.",
        "nodes_unreached": (
            "This node has not been able to speak to these for seconds; itself among them: to none. If that lasts, "
            "some node is left out."
        ),
        "clients_leave": (
            "A node that stops has nothing of its own any more, and lets its clients go one after another, as fast as "
            "the other nodes take them."
        ),
        "clients_sent_elsewhere": (
            "The other nodes do not reach this one, and own all there is: its clients are told to come again, `pace` a "
            "second, which brings them to another node. See to the network between this node and Redis."
        ),
        "drain_deadline": (
            "The node stopped before all that was in work had ended. Acknowledged work is safe; raise "
            "GREENROOM_DRAIN_S if it happens often."
        ),
        "drained": "Clients have been told goodbye, and the process ends.",
        "draining": "A signal asked the node to stop: it takes nothing new. A second signal ends it at once.",
        "entity_damaged": (
            "What is stored of an entity contradicts itself or is refused, so it alone stays down, and is tried "
            "again after 30 s. `error` says what is wrong; somebody has to look at its rows."
        ),
        "entity_failed": (
            "An entity crashed more often than GREENROOM_SUPERVISION_RESTARTS_MAX within its window, and stays "
            "down for a while. The traceback says where it crashes."
        ),
        "entity_moved": (
            "A newer owner has the entity, and this node let it go: after a failover, or where this node was taken for "
            "dead; then `node_declared_dead` follows."
        ),
        "entity_not_trimmed": (
            "Old events of this entity could not be removed, or no snapshot be made that covers them; others are, and "
            "it is tried again at each round. `error` says why. Logged once, until it succeeds."
        ),
        "entity_restarted": (
            "An entity's handler raised, and it was rebuilt from its journal. The traceback says where."
        ),
        "event_not_shown": (
            "The kind's `publication` raised for this event, or it can't be read, so nobody is shown it, live or in "
            "the history; it is still durable. Mend the hook: the history shows the event from then on."
        ),
        "fanout_failed": (
            "A mistake of ours in handing out what an entity published; its watchers were told to come again."
        ),
        "folder_opened_for_passing": (
            "The data folder was made passable, for our own Postgres runs as another user. No folder above it ever is."
        ),
        "frame_failed": "A mistake of ours in handling what another node sent; the link goes on without that frame.",
        "handler_slow": "A handler has held the event loop for long; `stack` shows where it is. Make it shorter.",
        "handler_stuck": (
            "A handler held the event loop past GREENROOM_SUPERVISION_HANDLER_STUCK_S and was interrupted where "
            "that is possible. Mend it: nobody else was served meanwhile."
        ),
        "history_trimmed": (
            "Old events were removed, as the limits of their kinds say. `snapshots`: entities that were given one for "
            "it."
        ),
        "http_failed": "An HTTP request raised and its connection was closed. A bug: the traceback says where.",
        "inline_rows_left": (
            "Rows of inline views could not be written with the events that they come of, as `error` says. So these "
            "were written alone, and the rows are left to the views' runners, where one that can't be stored parks its "
            "entity."
        ),
        "inline_rows_not_read": (
            "What an inline view has of an entity could not be read as that woke; its rows are left to the runner, and "
            "it is tried again a second after its next event."
        ),
        "inline_rows_not_told": (
            "Whoever watches an inline view could not be told of rows that were written. A bug, of which the traceback "
            "says more; the view's pages are read again."
        ),
        "journal_lost_tail": (
            "The journal has fewer events than this node saw committed: the database has lost some. Watchers "
            "start over; look for a failover or a restore."
        ),
        "lease_not_renewed": (
            "The database did not take this node's sign of life, or has yet to answer; it is tried again, on another "
            "connection too, and late is early enough as long as no other node has taken over. Look at the database."
        ),
        "members_not_read": (
            "The database did not say which nodes there are: until it does nobody is taken for dead, and no entity "
            "changes nodes. Look at the database."
        ),
        "node_buried": (
            "A node has ended, by proof or by its lease, or had ended before, which a failover of the database forgot; "
            "others own its entities from now on."
        ),
        "node_declared_dead": (
            "Another node could not see this one alive, took over, and this one ended at once. It was cut off from the "
            "database, or stood still, for longer than GREENROOM_LEASE_S, or the database has forgotten it, as after a "
            "restore. Nothing that was acknowledged is lost."
        ),
        "node_ended": (
            "A node of `serve --nodes` has ended unasked, with this exit status, or by this signal where it is "
            "negative. The others own its entities now, and it is started again; its own lines "
            "before this one say why."
        ),
        "node_not_signed_off": (
            "The database was not told that this node stops. The next one waits until its lease has run out, unless it "
            "can see on the same host that the process has ended."
        ),
        "node_ready": "A node of `serve --nodes` lets clients in, as this process.",
        "node_waits": (
            "The node starts, and waits for one before it to be gone: its process can't be seen from here, so its "
            "lease has to run out."
        ),
        "outbox_not_deleted": "Delivered messages stay in the outbox for now; they are recognized and removed later.",
        "outbox_parked": (
            "Too many messages wait for receivers that refuse them, so their senders wait in the outbox. "
            "`outbox_stuck` names the receivers."
        ),
        "outbox_row_unreadable": (
            "A message in the outbox can't be read by this version. It stays; deploy a version that can."
        ),
        "outbox_stuck": (
            "A receiver has refused a message many times in a row; `error` says why. It goes on being tried."
        ),
        "outbox_sweep_postponed": "The look for forgotten messages could not be made; it is made again soon.",
        "own_postgres_created": "Our own Postgres was set up in the data folder; the first start takes longer.",
        "own_server_orphan_stopped": "A server of ours was left from a start that was killed, and was stopped.",
        "own_server_restarted": (
            "Our own Postgres or Valkey ended and was started again. Its log in the data folder says why."
        ),
        "own_servers_restarted": "Our own servers were started again; entities and clients go on from where they were.",
        "media_failed": "A request below /media raised, and was answered 500. A bug: the traceback says where.",
        "media_storage_failed": (
            "The storage of GREENROOM_MEDIA did not keep, or did not give, an object; `error` says what it said. Who "
            "uploads goes on from what was kept before, and tries again; jobs try again by themselves."
        ),
        "page_connection_failed": "A connection to the pages raised and was closed. A bug: the traceback says where.",
        "page_failed": "A page raised and answered 500. A bug: the traceback says where.",
        "read_failed": (
            "A question raised, for a view, history or whether somebody may watch, or a glance: its reader was told "
            "`internal`, or nothing by a glance, and the entity goes on. The traceback says where."
        ),
        "redis_lost": "Redis can't be reached; it holds hints only, and the node serves on. Tried again by itself.",
        "redis_reached": "Redis answers, for the first time or again.",
        "reply_not_encodable": (
            "A handler's reply is nothing that JSON can hold; the client was told `internal`. Mend the handler."
        ),
        "retention_postponed": "Old events could not be removed now; tried again at the next round.",
        "saga_step_failed": (
            "The code of a saga's step raised, which counts as a refusal of that step. The traceback says where."
        ),
        "saga_stuck": "A saga can't undo the steps named, since their receivers refused it. Somebody has to decide.",
        "saga_undo_not_told": (
            "An undo that was refused for good could not be told once more, so there is no dead letter of it: `error` "
            "says what its own code refused, or that a key is not here (`saga.no_key`). Its saga is stuck; retry that."
        ),
        "schema_migrated": "The database's tables were brought to this version.",
        "sessions_not_ended": (
            "The database sessions of a node that has ended could not be closed; they end by themselves. Nothing of "
            "theirs is accepted meanwhile."
        ),
        "settings_passed_over": (
            "These have changed since `serve` was started, and take effect when it is started anew: the port, the data "
            "folder and the servers stay while code is loaded (`--reload`) or a node is started again (`--nodes`)."
        ),
        "shards_kept": (
            "Some entities did not end in time for another node to have them, such as one whose handler waits for "
            "long. They stay here, and it is tried again."
        ),
        "shards_moved": "So many shards were handed to other nodes, with their entities, in so many seconds.",
        "shards_not_moved": (
            "The database did not take the change of owner. It is tried again; meanwhile messages for these entities "
            "wait."
        ),
        "state_forgotten": (
            "A failover has forgotten what this node had said of itself, that it is up or leaves. It has said so again."
        ),
        "shards_overtaken": (
            "Shards were another node's that this one has not handed over to its knowledge, as after an answer of the "
            "database that was lost, or a failover. Whoever is awake in them ends, and is built anew where it is owned."
        ),
        "shards_taken": "Shards that were nobody's are this node's now, as after the end of another one.",
        "sink_failed": "A batch could not be delivered to a sink; it is delivered again, by fewer events at a time.",
        "sink_paused": (
            "The other side of a sink wants nothing more, ever. Nothing is delivered until `greenroom views resume`."
        ),
        "sink_rests": (
            "A sink's other side does not answer, or asks to be left alone, or takes nothing at all; `error` says why. "
            "It is tried again after so many seconds; until then nothing is delivered, and retention keeps its events."
        ),
        "snapshot_failed": (
            "An entity's state can't be encoded as a snapshot. Its journal has it all, but waking takes longer. "
            "Mend the state's types."
        ),
        "snapshot_skipped": "Snapshots came faster than the store takes them; some were left out. Waking takes longer.",
        "snapshot_unreadable": (
            "A snapshot can't be decoded by this version, so the entity was replayed from its events."
        ),
        "store_not_ready": (
            "/ready is 503: of Postgres serving needs a read, a connection for claims and a write on each lane, and "
            "`errors` says what failed. Logged when it begins."
        ),
        "store_unavailable": "Postgres refuses or does not answer: commands are told `unavailable` until it does.",
        "supervisor_gave_up": (
            "A part failed more often than its supervisor allows, or did not stop: the failure goes up, at the "
            "top the node ends."
        ),
        "tell_dropped": (
            "A message to or from an entity without a journal came while the node stops, or while nobody was known to "
            "own its receiver. It may be lost."
        ),
        "tell_refused": "An entity refused a message that nobody waits for. Nothing was recorded.",
        "timer_postponed": "A durable timer could not be handed over now; the next look finds it again.",
        "timer_unreadable": (
            "A durable timer can't be read by this version, and did not fire. Deploy a version that can."
        ),
        "timers_not_read": "The look for due timers could not be made; it is made again soon.",
        "token_invalid": "A client came with a token that does not hold; `error` says why. Look at who signs it.",
        "topic_gap": (
            "This node had not heard of all that an entity published, so those who watch it were told to start over."
        ),
        "unused_rows_removed": (
            "Heads of entities that recorded nothing, and marks of senders that have nothing more to deliver, were "
            "removed."
        ),
        "view_given_up": (
            "What keeps a table of a view up has failed more often than its supervisor allows; it is left alone for "
            "some seconds, and tried again. Other views go on."
        ),
        "view_not_shown": (
            "An entity's view could not be made for those who watch it as a view; they keep the one they have, until "
            "one can be. The error says why; while it goes on it is logged once a minute."
        ),
        "view_not_switched": (
            "A table that is filled beside a live one does not take its place yet, and `error` says why: parked "
            "entities most often. Mend the view and make it another version, or `greenroom views retry-parked`."
        ),
        "view_parked": (
            "A view could not fold an event, so that entity waits, and all others go on. `greenroom views` has the "
            "traceback; mend the view, then `greenroom views retry-parked`."
        ),
        "view_postponed": (
            "Postgres refuses or does not answer, so a view is late; it goes on from the journal when it does."
        ),
        "view_abandoned": (
            "A table was being filled, for a day at least, and no node has had the code of its version for an hour, as "
            "after a release that was taken back. It is old from now on, so retention waits for it no longer; "
            "`greenroom views drop-old` drops it. A release with its code fills it again, if it can."
        ),
        "view_switched": "A table that was filled beside a live one has caught up, and has taken its place.",
        "view_without_code": (
            "The database has a view that this release does not know. Nobody goes on with it here, and retention keeps "
            "all events that it has not folded: if it was removed for good, `greenroom views drop-old`."
        ),
        "views_not_looked_up": "The rows of views could not be read; they are read again in a second.",
        "views_not_swept": "The look for events that views have not folded could not be made; it is made again soon.",
        "watchers_not_told": (
            "Those who watch an entity could not be told that it begins anew; its next publication tells them."
        ),
    }
)
