"""Dask loads it into schedulers, nannies, workers and clients (``preload`` in etc/dask): a guard of TLS.

OpenSSL wants its queue of errors to be empty before it reads or writes (SSL_get_error(3)). Python leaves an entry there
when a peer goes away: the next read on any other connection of that thread then fails with BrokenPipeError. So
one worker that ends can take its cluster along. https://github.com/python/cpython/issues/148594; once the environment's
Python empties the queue itself, this file can go.
"""

from __future__ import annotations

import _ssl
import ctypes
from functools import wraps
from typing import Any

from tornado.iostream import SSLIOStream

# The library that Python's own module is linked with: through it, or through the program that holds both.
_empty_the_queue = ctypes.PyDLL(getattr(_ssl, "__file__", None)).ERR_clear_error
_empty_the_queue.restype = None


def _guarded(method: Any) -> Any:
    @wraps(method)
    def guarded(self: SSLIOStream, data: Any) -> Any:
        _empty_the_queue()
        return method(self, data)

    guarded.casa_guarded = True  # type: ignore[attr-defined]
    return guarded


for _name in ("read_from_fd", "write_to_fd"):
    _method = getattr(SSLIOStream, _name)
    if not hasattr(_method, "casa_guarded"):
        setattr(SSLIOStream, _name, _guarded(_method))
