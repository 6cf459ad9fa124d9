// Blocking connections to the peers, as far as they are greeted.  Whatever goes wrong ends the program.

#ifndef BENCH_DIAL_H
#define BENCH_DIAL_H

#include <stddef.h>
#include <stdint.h>

enum { SP_HANDSHAKE = 8, SP_PAIR1 = 0x11, SP_PUB = 0x20, SP_SUB = 0x21, SP_REQ = 0x30, SP_REP = 0x31 };

int dial(const char *host, uint16_t port); // a socket with TCP_NODELAY
void dial_say(int fd, const void *bytes, size_t len);
void dial_hear(int fd, void *into, size_t len);
void dial_expect(int fd, const void *wanted, size_t len); // at most 64 bytes
void dial_sp(int fd, unsigned mine, unsigned theirs);     // SP's handshake

#endif
