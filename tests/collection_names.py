"""The names of the collections, for documents of any shape: tests also store those of other releases."""

from shared.domain.stored.untyped import Document
from shared.mongo import names
from shared.mongo.names import CollectionName

LEADS = CollectionName[Document](names.LEADS)
CAPTURES = CollectionName[Document](names.CAPTURES)
IDENTITIES = CollectionName[Document](names.IDENTITIES)
ACTIVITIES = CollectionName[Document](names.ACTIVITIES)
COMMANDS = CollectionName[Document](names.COMMANDS)
OWNERS = CollectionName[Document](names.OWNERS)
ENROLMENTS = CollectionName[Document](names.ENROLMENTS)
STEPS = CollectionName[Document](names.STEPS)
TASKS = CollectionName[Document](names.TASKS)
PENDING_EVENTS = CollectionName[Document](names.PENDING_EVENTS)
RESCORING = CollectionName[Document](names.RESCORING)
ERASURE_MARKERS = CollectionName[Document](names.ERASURE_MARKERS)
INSIGHTS = CollectionName[Document](names.INSIGHTS)
ROLLUPS = CollectionName[Document](names.ROLLUPS)
LEAD_ROWS = CollectionName[Document](names.LEAD_ROWS)
LEAD_WORDS = CollectionName[Document](names.LEAD_WORDS)
TIMELINE = CollectionName[Document](names.TIMELINE)
TIMELINE_PENDING = CollectionName[Document](names.TIMELINE_PENDING)
OUTCOMES = CollectionName[Document](names.OUTCOMES)
PREDICTIONS = CollectionName[Document](names.PREDICTIONS)
MODELS = CollectionName[Document](names.MODELS)
KEYS = CollectionName[Document](names.KEYS)
RATES = CollectionName[Document](names.RATES)
USERS = CollectionName[Document](names.USERS)
SESSIONS = CollectionName[Document](names.SESSIONS)
REPLAYS = CollectionName[Document](names.REPLAYS)
CONFIGURATION = CollectionName[Document](names.CONFIGURATION)
