"""A proxy between a client and a broker, which cuts connections when a test says so.

    with Cutting(broker.port) as proxy:
        client = wherry.connect(proxy.url)
        proxy.cut()
"""

import socket
import struct
import threading

_PIECE = 1 << 16


class Cutting:
    """Each direction of each connection has a thread.  hold_answers(): nothing comes back any more."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Lock()
        self.streams = set()
        self.accepting, self.answering = threading.Event(), threading.Event()
        self.accepting.set()
        self.answering.set()
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                near, _ = self.listener.accept()
                self._begin(near)
        except OSError:
            return

    def _begin(self, near):
        if not self.accepting.is_set():
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            near.close()
            return
        for stream in (near, far):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.streams |= {near, far}
            self.connections += 1
        for source, sink, gate in ((near, far, None), (far, near, self.answering)):
            threading.Thread(target=self._carry, args=(source, sink, gate), daemon=True).start()

    def _carry(self, source, sink, gate):
        try:
            while data := source.recv(_PIECE):
                if gate:
                    gate.wait()
                sink.sendall(data)
        except OSError:
            pass
        finally:
            self._end(source, sink)

    def _end(self, *streams):
        for stream in streams:
            with self.lock:
                self.streams.discard(stream)
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Every connection ends now, what is on its way included."""
        with self.lock:
            streams = list(self.streams)
        for stream in streams:
            try:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        self._end(*streams)

    def refuse(self):
        """Cuts, and takes no more connections until accept()."""
        self.accepting.clear()
        self.cut()

    def accept(self):
        self.accepting.set()

    def hold_answers(self):
        self.answering.clear()

    def release_answers(self):
        self.answering.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.answering.set()
        self.cut()
