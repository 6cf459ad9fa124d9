// A client of the SP protocols on a bare socket, for tests that must see every byte: any split, any header, any fault.
// Written from the protocol's description, not with the broker's own framing.  Threads: one at a time.

#ifndef SUPPORT_SP_CLIENT_H
#define SUPPORT_SP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sp_client {
	int fd;            // -1: closed
	bool marked;       // ipc: a byte 01 before each length
	uint16_t protocol; // ours
	uint8_t *bytes;    // what came and was not looked at
	size_t len, room;
};

enum sp_got { SP_GOT, SP_TIMEOUT, SP_CLOSED };

// tcp://host:port or ipc:///path.  false: nobody answers there.
bool sp_connect(struct sp_client *, const char *url);
void sp_disconnect(struct sp_client *); // frees; again is harmless

// Says hello as `protocol` and waits for the server's; the server's protocol, or -1: it closed or stayed silent.
int sp_greet(struct sp_client *, uint16_t protocol, int timeout_ms);
int sp_hear(struct sp_client *, uint16_t protocol, int timeout_ms); // when ours has been said otherwise
// Connects and greets; -1 if any fails.
int sp_open(struct sp_client *, const char *url, uint16_t protocol);

bool sp_write(struct sp_client *, const void *bytes, size_t len); // all of it; waits; false: closed
// Sends a frame: for REQ `word` is the request id (the top bit is set), for PAIR1 the hop count.
bool sp_send(struct sp_client *, uint32_t word, const void *body, size_t len);
size_t sp_encode(const struct sp_client *, uint32_t word, const void *body, size_t len,
    uint8_t *into); // the frame's bytes

struct sp_message {
	uint32_t word;       // as sp_send's; the top bit cleared
	const uint8_t *body; // lent until the next call
	size_t len;
};

enum sp_got sp_recv(struct sp_client *, struct sp_message *, int timeout_ms);
enum sp_got sp_read_closed(struct sp_client *,
    int timeout_ms); // SP_CLOSED, SP_TIMEOUT; SP_GOT: bytes came instead

#endif
