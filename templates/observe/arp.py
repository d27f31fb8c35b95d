"""Asks by ARP for an address (second argument) on an interface (first), and prints who answers.

The question names an address of this host (third), as that of any client does. It is asked three times, or as often as the
fourth argument says, a second apart.
"""
import socket
import struct
import sys
import time

interface, address, own, *times = sys.argv[1:]
ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
ear.bind((interface, 0x0806))
mac = ear.getsockname()[4]
question = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton(own), bytes(6), socket.inet_aton(address))
found = set()
for _ in range(int(times[0]) if times else 3):
    ear.send(b"\xff" * 6 + mac + b"\x08\x06" + question)
    until = time.monotonic() + 1
    while True:
        left = until - time.monotonic()
        if left <= 0:
            break
        ear.settimeout(left)
        try:
            packet = ear.recv(2048)
        except socket.timeout:
            break
        if packet[20:22] == b"\0\2" and packet[28:32] == socket.inet_aton(address):
            found.add(":".join("%02x" % byte for byte in packet[22:28]))
for one in sorted(found):
    print("mac", one)
