"""Listens and probes for `baremetal check`: one process, one task, one answer. Python 3.6 or newer, standard library alone."""

import errno, json, os, re, selectors, socket, ssl, struct, subprocess, sys, tempfile, threading, time
import http.client, urllib.parse

MAGIC = b"baremetal check "
WAIT = 1.0  # seconds for an answer, and as often again as TRIES says
TRIES = 3
VRRP = 112
PATIENCE = 20  # seconds for all servers and names of one kind, which are asked at the same time
END = 25  # seconds for everything
ETCD = "http://127.0.0.1:2381/metrics"


def say(word):
    print("::say " + word, flush=True)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def payload(packet, address):
    """Of a raw socket: IPv4 comes with its header, IPv6 without."""
    return packet if ":" in address else packet[(packet[0] & 15) * 4 :]


class Ears:
    """Everything that is listened on; each caller is told who answers."""

    def __init__(self, task):
        self.name = MAGIC + (task["token"] + " " + task["host"]).encode()
        self.selector = selectors.DefaultSelector()
        self.failed = []
        for port in task["listen"]:
            try:
                self.open(port)
            except OSError as error:
                deaf = {"proto": port["proto"], "port": port["port"], "why": error.strerror}
                if error.errno == errno.EADDRINUSE:
                    deaf.update(why="another check" if kin(port) else "used", owner=owner(port))
                self.failed.append(deaf)
        threading.Thread(target=self.serve, daemon=True).start()

    def open(self, port):
        address, proto = port["address"], port["proto"]
        if proto == "tcp":
            ear = socket.socket(family(address), socket.SOCK_STREAM)
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif proto == "udp":
            ear = socket.socket(family(address), socket.SOCK_DGRAM)
        else:
            ear = socket.socket(family(address), socket.SOCK_RAW, VRRP)
        ear.bind((address, port["port"]))
        if proto == "tcp":
            ear.listen(512)
        ear.setblocking(False)
        self.selector.register(ear, selectors.EVENT_READ, (proto, address))

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                try:
                    self.answer(key.fileobj, *key.data)
                except OSError:
                    pass  # the caller has gone

    def answer(self, ear, proto, address):
        if proto == "caller":
            self.hang_up(ear)
            return
        if proto == "tcp":
            caller, _ = ear.accept()
            caller.setblocking(False)
            self.selector.register(caller, selectors.EVENT_READ, ("caller", address))
            caller.sendall(self.name)
            return
        packet, caller = ear.recvfrom(2048)
        if proto == "vrrp":
            packet = payload(packet, address)
        if packet == MAGIC + b"?":
            ear.sendto(self.name, caller)

    def hang_up(self, caller):
        """The caller ends first: a port that we closed would wait for a minute, and a service that is careless could not have it."""
        try:
            gone = not caller.recv(2048)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self.selector.unregister(caller)
            caller.close()


def kin(port):
    """Whether the listener of another run is what has a port: it says so, and is gone in a moment."""
    address, kind = port["address"], socket.SOCK_STREAM if port["proto"] == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family(address), kind) as mouth:
        mouth.settimeout(0.5)
        try:
            mouth.connect((address, port["port"]))
            if port["proto"] != "tcp":
                mouth.send(MAGIC + b"?")
            return mouth.recv(2048).startswith(MAGIC)
        except OSError:
            return False


def owner(port):
    """The program that has a port; empty where nobody tells, as of the kernel's own."""
    command = ["ss", "-H", "-l", "-n", "-p", "-t" if port["proto"] == "tcp" else "-u", "sport = :%d" % port["port"]]
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=2)
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r'\(\("([^"]*)"', said.stdout.decode(errors="replace"))
    return found.group(1) if found else ""


class Reach:
    """Probes ports of other hosts, many at once."""

    def __init__(self, task):
        self.token = MAGIC + task["token"].encode() + b" "
        self.host, self.probes, self.missed = task["host"], task["probes"], []

    def run(self):
        for start in range(0, len(self.probes), 200):
            self.batch(self.probes[start : start + 200])
        return self.missed

    def batch(self, probes):
        selector, waiting = selectors.DefaultSelector(), {}
        for index, probe in enumerate(probes):
            kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}.get(probe["proto"], socket.SOCK_RAW)
            mouth = socket.socket(family(probe["address"]), kind, VRRP if kind == socket.SOCK_RAW else 0)
            mouth.setblocking(False)
            waiting[index] = mouth
            code = mouth.connect_ex((probe["address"], probe["port"]))
            if code not in (0, errno.EINPROGRESS):
                self.end(waiting, index, probe, os.strerror(code))
                continue
            events = selectors.EVENT_WRITE if kind == socket.SOCK_STREAM else selectors.EVENT_READ
            selector.register(mouth, events, index)
        for attempt in range(TRIES):
            for index in list(waiting):
                if probes[index]["proto"] != "tcp":
                    try:
                        waiting[index].send(MAGIC + b"?")
                    except OSError as error:
                        probes[index]["why"] = error.strerror
            self.listen(selector, waiting, probes, time.monotonic() + WAIT)
        for index in list(waiting):
            probe = probes[index]
            self.end(waiting, index, probe, "" if probe.get("connected") else probe.get("why", "no answer"))

    def listen(self, selector, waiting, probes, until):
        while waiting and time.monotonic() < until:
            for key, _ in selector.select(max(0, until - time.monotonic())):
                index, mouth, probe = key.data, key.fileobj, probes[key.data]
                if index not in waiting:
                    continue
                try:
                    verdict = self.hear(selector, key, mouth, probe)
                except OSError as error:
                    verdict = "" if probe.get("connected") else error.strerror
                if verdict is not None:
                    selector.unregister(mouth)
                    self.end(waiting, index, probe, verdict)

    def hear(self, selector, key, mouth, probe):
        """None: wait on; empty: reached; else why not."""
        if key.events == selectors.EVENT_WRITE:
            code = mouth.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                return os.strerror(code)
            probe["connected"] = True
            if not probe["ours"]:
                return ""
            selector.modify(mouth, selectors.EVENT_READ, key.data)
            return None
        said = mouth.recv(2048)
        if probe["proto"] == "vrrp":
            said = payload(said, probe["address"])
        if probe["ours"] and said.startswith(self.token):
            name = said[len(self.token) :].decode(errors="replace")
            return "" if name == probe["to"] else name + " answers there"
        return "" if probe["proto"] == "tcp" else None

    def end(self, waiting, index, probe, why):
        waiting.pop(index).close()
        if why:
            self.missed.append({"to": probe["to"], "proto": probe["proto"], "port": probe["port"], "why": why})


class Paths:
    """The largest packets that reach other hosts and come back: ICMP echoes that may not be fragmented."""

    LADDER = (8900, 1500, 1492, 1480, 1450, 1420, 1400, 1350, 1280)

    def __init__(self, task):
        self.paths, self.ident = task["paths"], os.getpid() & 0xFFFF
        self.answered = set()

    def run(self, mtu):
        sizes = (84, mtu)
        for _ in range(TRIES):
            self.round([(index, size) for index in range(len(self.paths)) for size in sizes])
        short = [index for index in range(len(self.paths)) if (index, mtu) not in self.answered]
        ladder = [size for size in self.LADDER if size < mtu]
        for _ in range(TRIES - 1):
            self.round([(index, size) for index in short if (index, 84) in self.answered for size in ladder])
        best = lambda index: max([size for one, size in self.answered if one == index] or [0])
        return [{"to": self.paths[index]["to"], "largest": best(index)} for index in short]

    def round(self, wanted):
        wanted = [one for one in wanted if one not in self.answered]
        for six in (False, True):
            mine = [one for one in wanted if (":" in self.paths[one[0]]["address"]) == six]
            if mine:
                self.echo(mine, six)

    def echo(self, wanted, six):
        proto = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
        mouth = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, proto)
        # IPV6_MTU_DISCOVER or IP_MTU_DISCOVER, PMTUDISC_PROBE: never fragmented, whatever was learnt of the path.
        mouth.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 23 if six else 10, 3)
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        mouth.setblocking(False)
        for number, (index, size) in enumerate(wanted):
            body = bytes(max(size - (40 if six else 20) - 8, 0))
            packet = struct.pack("!BBHHH", 128 if six else 8, 0, 0, self.ident, number) + body
            if not six:
                packet = packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]
            try:
                mouth.sendto(packet, (self.paths[index]["address"], 0))
            except OSError:
                pass  # larger than the interface lets through: no answer either
            self.hear(mouth, wanted, six, 0)
        self.hear(mouth, wanted, six, WAIT)
        mouth.close()

    def hear(self, mouth, wanted, six, wait):
        until = time.monotonic() + wait
        with selectors.DefaultSelector() as selector:
            selector.register(mouth, selectors.EVENT_READ)
            while selector.select(max(0, until - time.monotonic())):
                packet = mouth.recv(65536)
                packet = packet if six else payload(packet, "")
                kind, _, _, ident, number = struct.unpack("!BBHHH", packet[:8])
                if kind == (129 if six else 0) and ident == self.ident and number < len(wanted):
                    self.answered.add(wanted[number])
                if all(one in self.answered for one in wanted):
                    return


def checksum(packet):
    packet += b"\0" * (len(packet) % 2)
    total = sum(struct.unpack("!%dH" % (len(packet) // 2), packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def adverts(task):
    """VRRP routers that are heard on the interface of the virtual address."""
    address, interface, until = task["address"], task["interface"], time.monotonic() + task["adverts"]
    ear = socket.socket(family(address), socket.SOCK_RAW, VRRP)
    index = socket.if_nametoindex(interface)
    if ":" in address:
        group = socket.inet_pton(socket.AF_INET6, "ff02::12") + struct.pack("@I", index)
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    else:
        group = struct.pack("=4s4si", socket.inet_aton("224.0.0.18"), bytes(4), index)
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    heard = set()
    while time.monotonic() < until:
        ear.settimeout(max(0.01, until - time.monotonic()))
        try:
            packet, (source, *_) = ear.recvfrom(2048)
        except socket.timeout:
            break
        packet = payload(packet, address)
        # Version 2 or 3, type 1: an advertisement.
        if len(packet) >= 8 and packet[0] in (0x21, 0x31) and not packet.startswith(MAGIC):
            heard.add((source.split("%")[0], packet[1]))
    return [{"from": source, "id": number} for source, number in sorted(heard)]


def claims(task):
    """Who answers ARP for addresses that should be free. The question names no sender, so that nobody's cache changes."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    ear.bind((task["interface"], 0x0806))
    mac = ear.getsockname()[4]
    wanted, found = set(task["pool"]), {}
    for _ in range(2):
        for address in task["pool"]:
            question = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, bytes(4), bytes(6), socket.inet_aton(address))
            ear.send(b"\xff" * 6 + mac + b"\x08\x06" + question)
            time.sleep(0.001)
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            ear.settimeout(max(0.01, until - time.monotonic()))
            try:
                packet = ear.recv(2048)
            except socket.timeout:
                break
            owner = socket.inet_ntoa(packet[28:32])
            if packet[20:22] == b"\0\2" and owner in wanted:
                found[owner] = ":".join("%02x" % byte for byte in packet[22:28])
    return [{"address": address, "mac": found[address]} for address in sorted(found)]


def disk(task):
    """Beside a member of etcd that runs nothing is written: it says itself how long its writes take."""
    return member(task) if task["etcd"] else measure(task)


def member(task):
    """The 99th percentile of a member's own writes: at least the lower bound of the bucket of its histogram that it falls into."""
    url = urllib.parse.urlsplit(ETCD)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
    try:
        connection.request("GET", url.path)
        text = connection.getresponse().read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OSError("nothing is written beside a member of etcd, and %s does not say how long its writes take: %s" % (ETCD, why))
    pattern = r'^etcd_disk_wal_fsync_duration_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)'
    buckets = sorted((float(bound), float(count)) for bound, count in re.findall(pattern, text, re.M))
    if not buckets or not buckets[-1][1]:
        raise OSError("nothing is written beside a member of etcd, and %s has no durations of its writes" % ETCD)
    below = [bound for bound, count in buckets if count < 0.99 * buckets[-1][1]]
    return {"directory": task["disk"], "writes": int(buckets[-1][1]), "p99": (below[-1] if below else 0) * 1000}


def measure(task):
    """How long a write of etcd's size takes to be on disk: 99th percentile in milliseconds. The file has no name."""
    directory = task["disk"]
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory) or "/"
    with tempfile.TemporaryFile(dir=directory) as file:
        times, until = [], time.monotonic() + 2
        while len(times) < 300 and time.monotonic() < until:
            os.write(file.fileno(), bytes(2300))
            start = time.monotonic()
            os.fdatasync(file.fileno())
            times.append((time.monotonic() - start) * 1000)
    times.sort()
    return {"directory": directory, "writes": len(times), "p99": times[int(len(times) * 0.99) - 1]}


def sites(task):
    """Registries and servers that do not speak HTTP to us."""
    return parallel(task["sites"], "url", lambda site: site["url"], visit)


def dial(host, port):
    """A connection to whichever address of a name answers first: all are tried at once, and 5 s are for all of them."""
    selector, waiting, why = selectors.DefaultSelector(), [], None
    until = time.monotonic() + 5
    try:
        for kind, _, _, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
            try:
                mouth = socket.socket(kind, socket.SOCK_STREAM)
            except OSError as error:
                why = error
                continue
            waiting.append(mouth)
            mouth.setblocking(False)
            code = mouth.connect_ex(address)
            if code in (0, errno.EINPROGRESS):
                selector.register(mouth, selectors.EVENT_WRITE)
            else:
                why = OSError(code, os.strerror(code))
        while selector.get_map() and time.monotonic() < until:
            for key, _ in selector.select(max(0, until - time.monotonic())):
                mouth = key.fileobj
                selector.unregister(mouth)
                code = mouth.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    waiting.remove(mouth)
                    mouth.settimeout(5)
                    return mouth
                why = OSError(code, os.strerror(code))
        raise socket.timeout() if selector.get_map() or why is None else why
    finally:
        selector.close()
        for mouth in waiting:
            mouth.close()


def visit(site):
    url = urllib.parse.urlsplit(site["url"])
    try:
        if url.scheme == "https":
            context = ssl.create_default_context(cadata=site["ca"] or None)
            if site["ca"]:
                context.load_default_certs()
            if not site["verify"]:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=5, context=context)
            plain = dial(url.hostname, connection.port)
            connection.sock = context.wrap_socket(plain, server_hostname=url.hostname)
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
            connection.sock = dial(url.hostname, connection.port)
        connection.request("GET", url.path or "/", headers={"User-Agent": "baremetal"})
        status = connection.getresponse().status
        return "status %d" % status if status >= 500 else ""
    except socket.gaierror as error:
        return "the name `%s` is not resolved: %s" % (url.hostname, error.strerror)
    except socket.timeout:
        return "no answer within 5 s"
    except (OSError, http.client.HTTPException) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__


def datagram(address, port, packet, right):
    """Whether a server answers: asked three times, a second each."""
    with socket.socket(family(address), socket.SOCK_DGRAM) as mouth:
        mouth.settimeout(WAIT)
        why = "no answer"
        for _ in range(TRIES):
            try:
                mouth.connect((address, port))
                mouth.send(packet)
                if right(mouth.recv(2048)):
                    return ""
            except OSError as error:
                why = error.strerror or "no answer"
        return why


def name_servers(task):
    # The name servers of the root: every server has an answer, be it a refusal.
    question = b"bm\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1"
    ask = lambda server: datagram(server, 53, question, lambda answer: answer[:2] == b"bm")
    return parallel(task["name-servers"], "name", str, ask)


def resolve(name):
    try:
        socket.getaddrinfo(name, None)
        return ""
    except OSError as error:
        return error.strerror or str(error)


def names(task):
    return parallel(task["names"], "name", str, resolve)


def time_servers(task):
    question = b"\x23" + bytes(47)

    def ask(server):
        try:
            address = socket.getaddrinfo(server, 123, 0, socket.SOCK_DGRAM)[0][4][0]
        except OSError as error:
            return error.strerror or str(error)
        return datagram(address, 123, question, lambda answer: len(answer) >= 48 and answer[0] & 7 == 4)

    return parallel(task["time-servers"], "name", str, ask)


def parallel(items, key, name, ask):
    """What `ask` says of each item, where it has something to say. Who does not answer in time has not answered."""
    late = "no answer within %g s" % PATIENCE
    answers = [late] * len(items)

    def one(index):
        try:
            answers[index] = ask(items[index])
        except Exception as error:  # never taken for an answer
            answers[index] = str(error) or type(error).__name__

    threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(len(items))]
    until = time.monotonic() + PATIENCE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    return [{key: name(item), "why": why} for item, why in zip(items, list(answers)) if why]


def mtu_of(interface):
    with open("/sys/class/net/%s/mtu" % interface) as file:
        return min(int(file.read()), 65535)


def parts(task):
    """What is to be probed: name in the answer, and how."""
    yield "reach", lambda: Reach(task).run()
    if task["paths"]:
        yield "paths", lambda: Paths(task).run(mtu_of(task["interface"]))
        yield "mtu", lambda: mtu_of(task["interface"])
    if task["adverts"]:
        yield "adverts", lambda: adverts(task)
    if task["pool"]:
        yield "pool", lambda: claims(task)
    for name, probe in (("sites", sites), ("name-servers", name_servers), ("names", names), ("time-servers", time_servers)):
        if task[name]:
            yield name, lambda probe=probe: probe(task)


def answers(task, deaf):
    """What every part found. One that does not end in time is an error: what is missing would read as nothing amiss."""
    errors, found, lock = {}, {"listen": deaf}, threading.Lock()

    def make(name, probe):
        try:
            said, into = probe(), found
        except Exception as error:  # one part that fails must not silence the others
            said, into = str(error) or type(error).__name__, errors
        with lock:
            into[name] = said

    # Alone: waiting for other threads would count as waiting for the disk.
    if task["disk"]:
        make("disk", lambda: disk(task))
    threads = [(part[0], threading.Thread(target=make, args=part, daemon=True)) for part in parts(task)]
    for _, thread in threads:
        thread.start()
    until = time.monotonic() + END
    for _, thread in threads:
        thread.join(max(0, until - time.monotonic()))
    with lock:
        for name, _ in threads:
            if name not in found and name not in errors:
                errors[name] = "no end within %g s" % END
        return dict(found, errors=dict(errors))


def main():
    with open(sys.argv[1]) as file:
        task = json.load(file)
    ears = Ears(task)
    say("listening")
    if not sys.stdin.readline():
        return
    print(json.dumps(answers(task, ears.failed)), flush=True)
    say("probed")
    sys.stdin.read()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
