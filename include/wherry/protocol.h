// The numbers of Wherry's wire protocol, version 1: README.md beside this file says what they mean.
// They never change; new ones are added.  C and C++.

#ifndef WHERRY_PROTOCOL_H
#define WHERRY_PROTOCOL_H

#include "status.h" // error codes

#define WHERRY_PROTOCOL_VERSION 1

// Where a broker listens, and a client looks for it, unless told otherwise.
#define WHERRY_PORT 1973
#define WHERRY_URL "tcp://127.0.0.1:1973"

// SP, below the frames: what each side says first is 00 'S' 'P' 00, its protocol in 16 bits, 00 00.
enum wherry_sp {
	WHERRY_SP_PAIR0 = 0x10,
	WHERRY_SP_PAIR1 = 0x11,
	WHERRY_SP_PUB = 0x20,
	WHERRY_SP_SUB = 0x21,
	WHERRY_SP_REQ = 0x30,
	WHERRY_SP_REP = 0x31,
	WHERRY_SP_PUSH = 0x50,
	WHERRY_SP_PULL = 0x51,

	WHERRY_SP_HANDSHAKE_BYTES = 8,
	WHERRY_SP_HOP_BYTES = 4,   // one word of a REQ, REP or PAIR1 header
	WHERRY_SP_IPC_MESSAGE = 1, // the byte before a length on ipc
};
#define WHERRY_SP_LAST_HOP 0x80000000u // set in the word that is the REQ's own id

// The first element of each object of a frame.
enum wherry_object {
	WHERRY_REQUEST = 0,      // [0, id, method, params] or [0, id, method, params, options]
	WHERRY_RESPONSE = 1,     // [1, id, error, result]
	WHERRY_NOTIFICATION = 2, // [2, method, params] or [2, method, params, options]
};

// The id of a request is at most this.
#define WHERRY_ID_MOST 0xffffffffu

// Ext types of msgpack that mean something.
enum wherry_ext {
	WHERRY_EXT_TIME = -1,   // msgpack's own timestamp
	WHERRY_EXT_TUPLE = 1,   // the elements, as msgpack after one another
	WHERRY_EXT_SEALED = 87, // a sealed frame
};

// What a broker takes unless it is configured otherwise.
enum wherry_limit {
	WHERRY_MAX_FRAME = 16 * 1024 * 1024, // bytes of a message
	WHERRY_MAX_ANSWER = 16 * 1024 * 1024,
	WHERRY_MAX_DEPTH = 24,         // of a value
	WHERRY_MAX_ELEMENTS = 1 << 20, // of all arrays, maps (two a pair) and tuples of a frame
	WHERRY_MAX_KEY = 4096,         // bytes of a key or subkey, canonically encoded
	WHERRY_MAX_TOPIC = 512,
	WHERRY_MAX_PARKED = 1024,        // waiting requests of a session
	WHERRY_MAX_RESEND = 64,          // answers of a REQ connection that are remembered,
	WHERRY_MAX_RESEND_BYTES = 65536, // each at most so long
	WHERRY_PARK_MS = 50000,          // a request of a REQ client waits at most so long
	WHERRY_HANDSHAKE_MS = 10000,
};

#endif
