#!/usr/bin/env python3
"""Serves jobs of the type `webhook`: checks the signature, reports progress line by line, answers a result.

Python's standard library is enough. The secret is the one in tidegate.toml.
"""

import hashlib
import hmac
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = b"change me: openssl rand -hex 32"
TOLERANCE = 300  # seconds
LARGEST = 1 << 20  # bytes


def is_genuine(header, body):
    """`t=<seconds>,v1=<HMAC-SHA256 of t, a full stop, and the body>`"""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    seconds, signature = parts.get("t", ""), parts.get("v1", "")
    if not seconds.isdecimal() or abs(time.time() - int(seconds)) > TOLERANCE:
        return False
    expected = hmac.new(SECRET, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if size > LARGEST:
            return self.refuse(413, "too large")
        body = self.rfile.read(size)
        if not is_genuine(self.headers.get("Tidegate-Signature", ""), body):
            return self.refuse(401, "the signature does not fit")  # 4xx: the job fails, for good
        words = json.loads(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()  # HTTP/1.0: the answer ends with the connection
        for n, word in enumerate(words, 1):
            time.sleep(1)
            self.line({"percent": 100 * n / len(words), "message": word})
        self.line({"letters": sum(map(len, words))})  # no progress, so it is the result

    def line(self, value):
        self.wfile.write(json.dumps(value).encode() + b"\n")
        self.wfile.flush()

    def refuse(self, status, why):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(why.encode())


if __name__ == "__main__":
    print("http://127.0.0.1:8099/", flush=True)
    ThreadingHTTPServer(("127.0.0.1", 8099), Receiver).serve_forever()
