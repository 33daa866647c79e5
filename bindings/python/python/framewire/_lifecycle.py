"""Sessions that live: closed when the interpreter ends, out of reach after a fork.

Not here: closing itself.
"""

import atexit
import logging
import os
import signal
import sys
import threading
import weakref
from typing import Any, Dict, NoReturn

from framewire import _core

__all__ = ["forget", "remember"]

logger = logging.getLogger("framewire.webrtc.session")

# Re-entrant: a finalizer may run in the middle of these functions and call one of them.
_lock = threading.RLock()
_living: Dict[int, "weakref.ref[Any]"] = {}


def remember(session: Any) -> None:
    """The session will be closed at exit, unless it is forgotten before. Keeps it not alive."""
    with _lock:
        _living[id(session)] = weakref.ref(session)


def forget(session: Any) -> None:
    """The session is closed, or about to be."""
    with _lock:
        _living.pop(id(session), None)


def _close_all() -> None:
    with _lock:
        sessions = [reference() for reference in _living.values()]
        _living.clear()
    for session in sessions:
        if session is None:
            continue
        try:
            session.close()
        except BaseException:
            # An interrupt as well: what follows has to be done.
            logger.debug("closing a session at exit failed", exc_info=True)
    try:
        # Native threads must not be in the interpreter, or on their way into it, while it goes away.
        _core.shutdown()
    except BaseException as interrupt:
        _leave(interrupt)


def _leave(interrupt: BaseException) -> NoReturn:
    """Ends the process at once, with a handler still running: at the end of the interpreter that would be an abort."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # Closed, or nobody reads it; there is nobody left to tell.
            continue
    code = interrupt.code if isinstance(interrupt, SystemExit) else None
    os._exit(code if isinstance(code, int) else 128 + signal.SIGINT)


def _after_fork_in_child() -> None:
    # The parent's sessions are the parent's; its lock may have been held by a thread that does not exist here.
    global _lock
    _lock = threading.RLock()
    _living.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork_in_child)
