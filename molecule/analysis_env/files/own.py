"""Computes on a worker with a package that only the user's own environment has."""

import socket

from dask.distributed import Client


def work(number):
    """Where this runs, and what the package gives."""
    from sortedcollections import ValueSortedDict

    return socket.gethostname().partition(".")[0], len(ValueSortedDict({number: 1})) * number


client = Client("tcp://nb1:8786")
client.wait_for_workers(1, timeout=60)
print(*client.submit(work, 1).result(60))
client.restart()
print(*client.submit(work, 2).result(60))
