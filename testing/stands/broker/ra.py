"""Announces prefixes on one interface, as radvd does, from lines on standing input: a JSON list of {prefix, validSeconds,
preferredSeconds, mtu}. Sends at once and then every 3 seconds. Source: RFC 4861 4.2, 4.6."""
import json
import select
import socket
import struct
import sys

interface = sys.argv[1]
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
index = socket.if_nametoindex(interface)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
s.bind(("fe80::1", 0, 0, index))


def message(prefixes):
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800 if prefixes else 0, 0, 0)
    if prefixes:
        body += struct.pack("!BBHI", 5, 1, 0, min(p["mtu"] for p in prefixes))
    for p in prefixes:
        address, length = p["prefix"].split("/")
        # autonomous, not on-link
        body += struct.pack("!BBBBIII", 3, 4, int(length), 0x40, p["validSeconds"], p["preferredSeconds"], 0)
        body += socket.inet_pton(socket.AF_INET6, address)
    return body


current = []
print("up", flush=True)
while True:
    if select.select([sys.stdin], [], [], 3)[0]:
        line = sys.stdin.readline()
        if not line:
            break
        current = json.loads(line)
    s.sendto(message(current), ("ff02::1", 0, 0, index))
