// URLs of listeners: what they mean, and whether they could be listened on, in sentences that help.  Threads: any.

#ifndef WIRE_ADDRESS_H
#define WIRE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transport { TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_IPC };

struct address {
	enum transport transport;
	bool local;     // names only this machine
	char host[256]; // tcp, tls; without brackets; empty: every address
	uint16_t port;
	char path[108]; // ipc
};

// EARG: not a URL that is understood; why[] says what is.
int address_parse(const char *url, struct address *, char *why, size_t why_room);
// Makes the path of an ipc address free to be bound: a socket on which nobody answers is removed.  EARG, EEXIST: why[].
int address_clear_path(const struct address *, char *why, size_t why_room);

#endif
