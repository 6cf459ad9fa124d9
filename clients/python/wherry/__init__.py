"""A client of Wherry, the broker: keys, queues, publish/subscribe, locks, transactions.

    import wherry

    with wherry.connect() as client:
        client.kv.set("greeting", "hello")

wherry.aio.connect() is the same for asyncio.
"""

from . import aio, errors
from .client import Answer, Batch, Client, Transaction, connect
from .errors import *  # noqa: F401,F403
from .errors import WherryError
from .feeds import Change, Gap, Message
from .settings import Settings
from .subscriptions import Subscription
from .values import Ext, Pairs
from .version import VERSION
from .worker import Consumer, Job, Lock

__version__ = VERSION
__all__ = ["Answer", "Batch", "Change", "Client", "Consumer", "Ext", "Gap", "Job", "Lock", "Message", "Pairs", "Settings",
           "Subscription", "Transaction", "WherryError", "aio", "connect",
           *(kind.__name__ for kind in WherryError.__subclasses__())]
