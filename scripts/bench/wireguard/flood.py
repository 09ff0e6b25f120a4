"""Mbit/s of 1,420-byte datagrams that arrive at RECEIVER when as many as are taken are sent to NEAR.
Usage: flood.py RECEIVER PORT NEAR PORT SECONDS SOURCE SOURCEPORT. At most so many are under way that no socket's queue has to drop."""
import socket
import sys
import time

receiver, port, near, near_port, seconds, source, source_port = sys.argv[1:]
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
r.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
# udptunnel holds the same port on every address
r.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
r.bind((receiver, int(port)))
r.settimeout(0.2)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((source, int(source_port)))
body = b"x" * 1420
sent = got = 0
end = None
began = time.monotonic()
while end is None or time.monotonic() < end:
    while sent - got < 64:
        s.sendto(body, (near, int(near_port)))
        sent += 1
    try:
        r.recv(2000)
        got += 1
        if end is None:
            # from the first one that came: what went before is the start of the ends
            began, got, sent = time.monotonic(), 0, 63
            end = began + float(seconds)
    except TimeoutError:
        # lost: send anew
        sent = got
        if time.monotonic() - began > 15:
            break
print(round(got * 1420 * 8 / (time.monotonic() - began) / 1e6, 1))
