// A server with harness.h's router behind it, listening on tcp, ipc and tls+tcp: for tests of wire/.

#ifndef SUPPORT_WIRED_H
#define SUPPORT_WIRED_H

#include "embed.h"
#include "harness.h"
#include "sp_client.h"
#include "wire/server.h"

enum { WIRED_TCP, WIRED_IPC, WIRED_TLS, WIRED_URLS };

struct wired {
	struct harness h;
	struct wire_limits limits;
	struct server *server;
	char dir[32]; // temporary; the socket and the certificate are in it
	char url[WIRED_URLS][128];
};

void wired_open(struct wired *);
// Ends by checking the world: no connection and no session is left.
void wired_close(struct wired *);
int wired_setup(void **state); // the two of them for cmocka: *state is the struct wired
int wired_teardown(void **state);
struct listen_options wired_options(struct wired *, char cert[static 64], char key[static 64]);

// Sends a frame of requests ("t.set a 1 ; t.get a"; ids 0, 1, ...) and shows its answers, "closed", or "silence" after
// timeout_ms.  free() it.
void wired_ask(struct sp_client *, uint32_t word, const char *line);
char *wired_answer(struct sp_client *, uint32_t *word, int timeout_ms);
#define EXPECT_ANSWER(client, wanted)                           \
	do {                                                    \
		char *got_ = wired_answer(client, NULL, 10000); \
		assert_string_equal(got_, wanted);              \
		free(got_);                                     \
	} while (0)

struct server_stats wired_stats(struct wired *);
// Waits until the condition, which may name the current numbers as `stats`, holds; 10 s at most: fails the test.
#define WIRED_WAIT(wired, condition)                          \
	do {                                                  \
		struct server_stats stats;                    \
		bool held_ = false;                           \
		for (int i_ = 0; i_ < 2000 && !held_; i_++) { \
			stats = wired_stats(wired);           \
			held_ = (condition);                  \
			if (!held_)                           \
				wired_pause(5);               \
		}                                             \
		if (!held_)                                   \
			fail_msg("never: %s", #condition);    \
	} while (0)
void wired_pause(int ms);

#endif
