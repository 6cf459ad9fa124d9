// NNG's own PUB0 socket, fed over plain TCP with messages behind their lengths, 8 bytes big-endian as SP has them: what
// stock SUB clients get without a broker.
//
//   pub0 PORT FEED_PORT SUBSCRIBERS
//
// It waits for so many subscribers, then publishes what comes.  Its queue for each is as long as NNG allows, so that
// nothing is dropped.

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/supplemental/util/platform.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 2 * 1024 * 1024, QUEUE_MOST = 8192, LENGTH = 8 };

static atomic_long subscribers;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static void must(int status, const char *what)
{
	if (status == 0)
		return;
	fprintf(stderr, "pub0: %s: %s\n", what, nng_strerror(status));
	exit(2);
}

static void counted(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	(void)pipe;
	(void)event;
	(void)arg;
	atomic_fetch_add(&subscribers, 1);
}

static nng_socket open_socket(const char *port)
{
	char url[64];
	nng_socket socket;
	must(nng_pub0_open(&socket), "open");
	must(nng_socket_set_int(socket, NNG_OPT_SENDBUF, QUEUE_MOST), "send buffer");
	must(nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, counted, NULL), "notify");
	(void)snprintf(url, sizeof url, "tcp://127.0.0.1:%s", port);
	must(nng_listen(socket, url, NULL, 0), "listen");
	return socket;
}

static int listen_feed(uint16_t port)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 1) != 0)
		die("pub0: listen");
	return listener;
}

static void publish(nng_socket socket, const void *body, size_t len)
{
	nng_msg *msg;
	must(nng_msg_alloc(&msg, len), "memory");
	memcpy(nng_msg_body(msg), body, len);
	must(nng_sendmsg(socket, msg, 0), "send");
}

// Whole messages; answers how many bytes they were.
static size_t publish_all(nng_socket socket, const uint8_t *p, size_t len)
{
	size_t used = 0;
	while (len - used >= LENGTH) {
		uint64_t body;
		memcpy(&body, p + used, LENGTH);
		body = be64toh(body);
		if (len - used - LENGTH < body)
			break;
		publish(socket, p + used + LENGTH, body);
		used += LENGTH + body;
	}
	return used;
}

int main(int argc, char **argv)
{
	static uint8_t room[ROOM];
	if (argc != 4)
		return 2;
	int listener = listen_feed((uint16_t)atoi(argv[2]));
	nng_socket socket = open_socket(argv[1]);
	int feed = accept(listener, NULL, NULL);
	if (feed < 0)
		die("pub0: accept");
	while (atomic_load(&subscribers) < atol(argv[3]))
		nng_msleep(1);
	size_t len = 0, used;
	for (ssize_t n; (n = recv(feed, room + len, sizeof room - len, 0)) > 0; len -= used) {
		len += (size_t)n;
		used = publish_all(socket, room, len);
		memmove(room, room + used, len - used);
	}
	return 0;
}
