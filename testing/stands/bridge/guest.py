"""The machine behind a tap, without a hypervisor: a Linux network stack of its own, and raw frames besides.

guest.py TAP NAMESPACE MAC UID: opens TAP as the unprivileged UID would, makes `eth0` in NAMESPACE and passes frames between
both. Each line of hex on stdin goes out through the tap as it is; each frame that comes in is printed as hex.
"""
import fcntl, os, select, struct, subprocess, sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def tun():
    return os.open("/dev/net/tun", os.O_RDWR)


def tap(name, fd):
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def main():
    name, namespace, mac, uid = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if namespace != "-":
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        away = os.open("/run/netns/" + namespace, os.O_RDONLY)
        setns(away)
        inner = tap("eth0", tun())
        subprocess.run(["ip", "link", "set", "dev", "eth0", "address", mac, "up"], check=True)
        setns(home)
    # the node first: where no udev runs it is root's alone. Whose tap it is, the kernel asks at TUNSETIFF
    fd = tun()
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    outer = tap(name, fd)
    print("up", flush=True)
    if namespace == "-":
        return
    pending = b""
    while True:
        for fd in select.select([inner, outer, 0], [], [])[0]:
            if fd == 0:
                read = os.read(0, 65536)
                if not read:
                    return
                pending += read
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    os.write(outer, bytes.fromhex(line.decode()))
            elif fd == inner:
                frame = os.read(inner, 65536)
                os.write(outer, frame)
            else:
                frame = os.read(outer, 65536)
                os.write(inner, frame)
                print(frame.hex(), flush=True)


def setns(fd):
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


main()
