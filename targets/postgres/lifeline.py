"""A server that no longer answers, noticed: a statement that waits for it fails in under a minute.

TCP notices a peer that is gone. It does not notice a firewall, a balancer or a frozen server that takes every byte and
hands none on: libpq would wait for ever, and the run with it. So while a statement waits, a thread tries to connect to
the same server; when nobody answers three times in a row it shuts the socket, and the statement fails as if the line
had been cut. A slow statement is none of its business: a server at work still answers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE

PULSE = 4.0  # seconds between two looks
PATIENCE = 8  # seconds for an answer
STRIKES = 3


def watch(connection: Any, connect: Callable[[int], Any]) -> None:
    """Watch a psycopg2 connection until it is closed. connect: makes another one, given the seconds it may take."""
    arguments = weakref.ref(connection), connect
    threading.Thread(target=_look_after, args=arguments, daemon=True, name="lifeline").start()


def _look_after(watched: weakref.ref[Any], connect: Callable[[int], Any]) -> None:
    strikes = 0
    while strikes < STRIKES:
        time.sleep(PULSE)
        if not _waits(watched()):
            if _is_closed(watched()):
                return
            strikes = 0
        else:
            strikes = 0 if _answers(connect) else strikes + 1
    _cut(watched())


def _is_closed(connection: Any) -> bool:
    return connection is None or bool(connection.closed)


def _waits(connection: Any) -> bool:
    return not _is_closed(connection) and connection.info.transaction_status == TRANSACTION_STATUS_ACTIVE


def _answers(connect: Callable[[int], Any]) -> bool:
    try:
        connect(PATIENCE).close()
    except psycopg2.Error as error:
        return "FATAL" in str(error)  # it is there, and turns us away: too many clients, starting up
    return True


def _cut(connection: Any) -> None:
    with contextlib.suppress(OSError, psycopg2.Error):
        if not _is_closed(connection):
            with socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
