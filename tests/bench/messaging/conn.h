// Buffered connections on one epoll, the same for every peer.  What has come is received into one room that all share;
// the part of a message that is not whole yet is kept by its connection.  Whatever goes wrong ends the program.

#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn {
	// Answers how many of the bytes it has taken; it is asked again with the rest when more have come.
	size_t (*take)(struct conn *, const uint8_t *p, size_t len);
	int fd;
	bool armed; // for EPOLLOUT
	uint8_t *out;
	size_t sent, out_len, out_room;
	uint8_t *kept;
	size_t kept_len, kept_room;
};

struct loop {
	int epoll;
	uint8_t *room;
	size_t room_len;
	uint64_t now; // ns, of the last receive
};

void loop_open(struct loop *, size_t largest_message);
void loop_close(struct loop *);
void loop_add(struct loop *, struct conn *, int fd);
void loop_add_stopped(struct loop *, struct conn *, int fd); // is not received from until loop_resume()
void loop_resume(struct loop *, struct conn *);
bool loop_turn(struct loop *, int wait_ms);   // receives from those that have something; false: nothing came meanwhile
uint8_t *conn_put(struct conn *, size_t len); // room for so many bytes more to send
void conn_put_bytes(struct conn *, const void *, size_t len);
void conn_flush(struct loop *, struct conn *);
void conn_close(struct conn *);

uint64_t clock_ns(void);
void *must_alloc(size_t count, size_t size);
_Noreturn void die(const char *what);         // of the machine: exit status 2
_Noreturn void wrong(const char *format, ...) // of the peer: exit status 1
    __attribute__((format(printf, 1, 2)));

#endif
