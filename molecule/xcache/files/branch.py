"""Read one branch of a ROOT file through a cache by HTTPS; prints how many bytes that asked for.

Arguments: the cache's name, its address, path. Standard input: a token. Runs on this computer, where the
machines' names are not known.
"""

import http.client
import io
import json
import socket
import ssl
import sys

import uproot

host, address, path = sys.argv[1:]
token = sys.stdin.read().strip()


class Known(http.client.HTTPSConnection):
    """A connection to a host whose address is given instead of looked up."""

    def connect(self):
        plain = socket.create_connection((address, 8443), 30)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)


class Ranges(io.RawIOBase):
    """A file of which only the parts that are read are asked for, by ranges (RFC 9110, section 14)."""

    def __init__(self):
        self.place = self.asked = 0
        self.connection = Known(host)
        status, self.size = self.request("HEAD", {})
        assert status == 200, status

    def request(self, method, headers):
        self.connection.request(method, path, headers={"Authorization": "Bearer " + token, **headers})
        answer = self.connection.getresponse()
        body = answer.read()
        return answer.status, body if method == "GET" else int(answer.headers["Content-Length"])

    def read(self, number=-1):
        end = self.size if number < 0 else min(self.size, self.place + number)
        if end <= self.place:
            return b""
        status, body = self.request("GET", {"Range": f"bytes={self.place}-{end - 1}"})
        assert status == 206, status
        self.asked += len(body)
        self.place += len(body)
        return body

    def seek(self, offset, whence=0):
        self.place = offset + {0: 0, 1: self.place, 2: self.size}[whence]
        return self.place

    def tell(self):
        return self.place

    def seekable(self):
        return True

    def readable(self):
        return True


ranges = Ranges()
with uproot.open(ranges) as file:
    branch = file["Events"]["Muon_pt"]
    values = branch.array(library="np")
    print(
        json.dumps(
            {
                "entries": len(values),
                "branch": int(branch.compressed_bytes),
                "asked": ranges.asked,
                "size": ranges.size,
                "baskets": int(branch.num_baskets),
            }
        )
    )
