"""Traffic of the stand: one verb per call, IPv6 only. Prints what the test asks for."""
import socket
import sys
import time

verb, *args = sys.argv[1:]


def udp(address=None, port=0):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address:
        s.bind((address, int(port)))
    return s


def tcp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return s


def listener(address, port):
    s = tcp()
    s.bind((address, int(port)))
    s.listen(64)
    return s


def dial(address, port, seconds=5):
    """The other end may be on its way up."""
    end = time.monotonic() + seconds
    while True:
        s = tcp()
        s.settimeout(seconds)
        try:
            s.connect((address, int(port)))
            return s
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


if verb == "udp-echo":
    s = udp(args[0], args[1])
    while True:
        _, who = s.recvfrom(65535)
        s.sendto(who[0].encode(), who)
elif verb == "udp-ask":
    s = udp()
    s.settimeout(0.3)
    for _ in range(20):
        s.sendto(args[2].encode(), (args[0], int(args[1])))
        try:
            print(s.recvfrom(100)[0].decode())
            break
        except OSError:
            pass
elif verb == "udp-send":
    source, to, port, count, *size = args
    s = udp(source)
    body = b"x" * int(size[0] if size else 20)
    sent = 0
    for _ in range(int(count)):
        s.sendto(body, (to, int(port)))
        sent += 1
        if sent % 20 == 0:
            # faster than this, the sender's own queue drops
            time.sleep(0.005)
    print(sent)
elif verb == "mss":
    s, _ = listener(args[0], args[1]).accept()
    s.recv(1)
elif verb == "mss-ask":
    s = dial(args[0], args[1])
    print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
elif verb == "tcp-greet":
    import select

    servers = [listener(args[0], port) for port in args[1:]]
    while True:
        for server in select.select(servers, [], [])[0]:
            server.accept()[0].close()
elif verb == "tcp-try":
    try:
        dial(args[0], args[1]).close()
        print("open")
    except OSError as error:
        print(error)
elif verb == "tcp-sink":
    # bytes received in each second after the first, per connection
    server = listener(args[0], args[1])
    print("up", flush=True)
    while True:
        s, _ = server.accept()
        while s.recv(1 << 20):
            pass
        s.close()
elif verb == "tcp-pump":
    # Mbit/s that the other end took, after half a second of start
    s = dial(args[0], args[1])
    body = b"x" * (1 << 17)
    seconds = float(args[2])
    began = time.monotonic()
    counted, start = 0, None
    while (now := time.monotonic()) < began + 0.5 + seconds:
        if start is None and now > began + 0.5:
            counted, start = 0, now
        counted += s.send(body)
    print(round(counted * 8 / (time.monotonic() - start) / 1e6, 1))
