#!/usr/bin/python3
"""A chat: chat.py ROOM NAME.  What you type goes to the room; what others type comes to you.

A room is a topic, room.ROOM.say.  Who is in it is a retained message for each, room.ROOM.here.NAME: whoever comes later gets
it too.  Everybody leaves a will with the broker, which takes theirs away when their connection ends without a good-bye.
"""

import sys

import wherry

EMPTY = ""  # an empty retained message takes the last one away


class Chat:
    def __init__(self, room, name):
        self.name = name
        self.says, self.here = f"room.{room}.say", f"room.{room}.here.{name}"
        self.filters = self.says, f"room.{room}.here.*"
        self.client = wherry.connect(name=f"chat {name}")

    def run(self):
        with self.client:
            self.client.session.will(self.here, EMPTY, retain=True)
            with self.client.subscribe(*self.filters, retained=True, callback=self.show, on_gap=self.missed):
                self.enter()
                for line in sys.stdin:
                    self.client.pubsub.publish(self.says, {"from": self.name, "text": line.rstrip("\n")})
                self.client.pubsub.publish(self.here, EMPTY, retain=True)

    def enter(self):
        self.client.pubsub.publish(self.here, "here", retain=True)

    def show(self, message):
        if message.topic == self.says:
            print(f"{message.payload['from']}: {message.payload['text']}", flush=True)
        else:
            name = message.topic.rpartition(".")[2]
            print(f"* {name} is {'here' if message.payload else 'gone'}", flush=True)

    def missed(self, gap):
        print(f"* you may have missed something ({gap})", flush=True)
        if gap.reconnected:
            self.client.send("pubsub.publish", self.here, "here", retain=True)  # our will was carried out


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    Chat(*sys.argv[1:]).run()
