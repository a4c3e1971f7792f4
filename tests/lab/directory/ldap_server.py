# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripted peer and the recording proxy have in common: a TLS listener on loopback, one thread a connection, stopped for good."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

Self = TypeVar("Self", bound="Listener")


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's TLS context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class Listener:
    """Accepts connections and hands each to ``serve`` in its own thread.

    Args:
        address: a loopback address.
        port: 0 takes a free one.
        tls: None for a clear listener (StartTLS is then up to ``serve``).
        serve: talks to one client; its end ends the connection.
    """

    def __init__(self, address: str, port: int, tls: ssl.SSLContext | None, serve: Callable[[socket.socket], None]) -> None:
        self.address = address
        self.port = port
        self._tls = tls
        self._serve = serve
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._listening: socket.socket | None = None
        #: TCP connections accepted so far
        self.connections = 0
        #: what a connection's thread could not cope with; leaving the context raises the first
        self.failures: list[Exception] = []
        #: set when the listener stops: whoever waits inside ``serve`` waits on this
        self.stopping = threading.Event()

    def start(self) -> None:
        """Listen, and accept in the background."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.address, self.port))
            listening.listen(64)
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._spawn(self._accept, listening)

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        self.stopping.set()
        with self._lock:
            if self._listening is not None:
                with contextlib.suppress(OSError):
                    self._listening.shutdown(socket.SHUT_RDWR)
                self._listening.close()
            for client in self._open:
                with contextlib.suppress(OSError):
                    # the plain method: a TLS socket's own would drop its TLS state under the thread that reads from it
                    socket.socket.shutdown(client, socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join(10)

    def _spawn(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive()] + [thread]
            thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                client = listening.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._spawn(self._one, client)

    @contextlib.contextmanager
    def secured(self, client: socket.socket, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
        """The TLS form of an accepted connection, known to ``stop`` in place of the clear one."""
        client.settimeout(10)
        with context.wrap_socket(client, server_side=True) as wrapped:
            wrapped.settimeout(None)
            with self._lock:
                self._open.add(wrapped)
            try:
                yield wrapped
            finally:
                with self._lock:
                    self._open.discard(wrapped)

    def _one(self, client: socket.socket) -> None:
        """A client that breaks off, or is broken off, is nobody's error; what ``serve`` itself cannot cope with is kept for the test."""
        with self._lock:
            self._open.add(client)
        try:
            if self._tls is None:
                self._serve(client)
            else:
                with self.secured(client, self._tls) as wrapped:
                    self._serve(wrapped)
        except OSError:
            pass
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self.failures.append(error)
        finally:
            with self._lock:
                self._open.discard(client)
            client.close()

    def __enter__(self: Self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if kind is None and self.failures:
            raise RuntimeError("the lab's LDAP peer could not cope with a client") from self.failures[0]
