// Stands between clients and a broker, on ipc, and cuts connections: at a byte of the test's choice, or at random.

#ifndef SUPPORT_PROXY_H
#define SUPPORT_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROXY_TO_BROKER, PROXY_TO_CLIENT, PROXY_WAYS };

struct proxy;

struct proxy *proxy_open(const char *dir, const char *broker_url); // listens at dir/p
void proxy_close(struct proxy *);
const char *proxy_url(const struct proxy *);

// The next connection is cut after so many bytes of one way, greeting and all; those after it are not.
void proxy_cut_next(struct proxy *, int way, size_t bytes);
// From now on, connections are cut after up to so many bytes of a way, and half of them are slowed down; 0: no more.
void proxy_cut_random(struct proxy *, size_t most);
unsigned proxy_cuts(struct proxy *); // so far

#endif
