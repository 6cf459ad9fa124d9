"""A broker that answers whatever a test wants: true things, lies, rubbish, or nothing at all.

    with Scripted({"sys.ping": "PONG", "kv.get": Raw(b"\\xc1"), "kv.set": Refusal(-1, "EARG", "no")}) as broker: ...
"""

import socket
import struct
import threading

from wherry_py import pack, unpack_all


class Raw(bytes):
    """Bytes that stand where a result should."""


class Bare(bytes):
    """Bytes that stand where a whole message should."""


class Refusal(Exception):
    """An error that is answered."""


SILENCE = object()  # no answer, ever
HANG_UP = object()  # the connection ends


class Scripted:
    """answers: what a method's requests are answered, a value or a function of the parameters; others are answered true."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []  # [method, [param...]] in the order they came
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                threading.Thread(target=self._speak, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            return

    def _speak(self, stream):
        try:
            with stream, stream.makefile("rb") as bytes_in:
                stream.sendall(b"\0SP\0\0\x11\0\0")
                bytes_in.read(8)
                while len(head := bytes_in.read(8)) == 8:
                    message = bytes_in.read(struct.unpack(">Q", head)[0])
                    stream.sendall(self._message(list(self._responses(unpack_all(message[4:])))))
        except (OSError, struct.error):
            return

    @staticmethod
    def _message(responses):
        for bare in (response for response in responses if isinstance(response, Bare)):
            return bare
        answers = b"".join(responses)
        return struct.pack(">QI", len(answers) + 4, 1) + answers

    def _responses(self, requests):
        for _, number, method, params, *_ in requests:
            self.asked.append([method, params])
            answer = self.answers.get(method, True)
            answer = answer(*params) if callable(answer) else answer
            if answer is HANG_UP:
                raise OSError
            if answer is not SILENCE:
                yield self._response(number, answer)

    @staticmethod
    def _response(number, answer):
        if isinstance(answer, Bare):
            return answer
        head = b"\x94" + pack(1) + pack(number)
        if isinstance(answer, Refusal):
            return head + pack([*answer.args, None][:4]) + b"\xc0"
        return head + b"\xc0" + (answer if isinstance(answer, Raw) else pack(answer))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
