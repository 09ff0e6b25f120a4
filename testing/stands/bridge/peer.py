"""Ends of connections, one line of output per event.

peer.py listen tcp:22 udp:9000 ...  greets on TCP with its protocol line and echoes; prints `udp SOURCE PORT TEXT`, `tcp SOURCE PORT`;
                                    what it is told it says to all that are connected
peer.py try ADDRESS PORT ...        tries all at once; one line each, in their order: `open` where somebody greeted, else `closed`
peer.py hold ADDRESS PORT           connects, prints what it hears, sends what it is told; prints `cut ERRNO` when it is over
"""
import concurrent.futures, selectors, socket, sys, threading


def say(*words):
    print(*words, flush=True)


def plain(address):
    return address.removeprefix("::ffff:")


def listen(specs):
    selector = selectors.DefaultSelector()
    for spec in specs:
        kind, port = spec.split(":")
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", int(port)))
        if kind == "tcp":
            s.listen(64)
        selector.register(s, selectors.EVENT_READ, (kind, port))
    connections = []

    def speak():
        for line in sys.stdin:
            for connection in connections:
                try:
                    connection.sendall(line.encode())
                except OSError:
                    pass

    threading.Thread(target=speak, daemon=True).start()
    say("up")
    while True:
        for key, _ in selector.select():
            kind, port = key.data
            if kind == "udp":
                text, source = key.fileobj.recvfrom(2048)
                say("udp", plain(source[0]), port, text.decode(errors="replace"))
            else:
                connection, source = key.fileobj.accept()
                say("tcp", plain(source[0]), port)
                connections.append(connection)
                threading.Thread(target=echo, args=(connection, port), daemon=True).start()


def echo(connection, port):
    try:
        connection.sendall(b"SSH-2.0-stand\r\n")
        while data := connection.recv(2048):
            connection.sendall(data)
        say("closed", port)
    except OSError as error:
        say("cut", port, error.errno)


def hold(address, port):
    try:
        s = socket.create_connection((address, int(port)), timeout=1.5)
    except OSError as error:
        say("refused", error.errno)
        return
    s.settimeout(None)

    def forward():
        for line in sys.stdin:
            try:
                s.sendall(line.encode())
            except OSError as error:
                # a reset is told once: to whichever of us asks first
                say("cut", error.errno)
                return

    threading.Thread(target=forward, daemon=True).start()
    try:
        while data := s.recv(2048):
            say("heard", data.decode(errors="replace").strip())
        say("cut", 0)
    except OSError as error:
        say("cut", error.errno)


def attempt(address, port):
    try:
        with socket.create_connection((address, int(port)), timeout=1.5) as s:
            return "open" if s.recv(2048) else "closed"
    except OSError:
        return "closed"


if sys.argv[1] == "try":
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for answer in pool.map(attempt, sys.argv[2::2], sys.argv[3::2]):
            say(answer)
elif sys.argv[1] == "listen":
    listen(sys.argv[2:])
else:
    hold(sys.argv[2], sys.argv[3])
