// A program on stock libnng sockets that sets and gets: what anyone with NNG and msgpack can write.
//
//   stock req|pair1 URL

#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, ROUNDS = 100 };

static void must(int status, const char *what)
{
	if (status != 0) {
		fprintf(stderr, "stock: %s: %s\n", what, nng_strerror(status));
		exit(1);
	}
}

static nng_socket open_socket(const char *kind, const char *url)
{
	nng_socket socket;
	must(strcmp(kind, "req") == 0 ? nng_req0_open(&socket) : nng_pair1_open(&socket), "open");
	must(nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, TIMEOUT_MS), "receive timeout");
	must(nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, TIMEOUT_MS), "send timeout");
	must(nng_dial(socket, url, NULL, 0), "dial");
	return socket;
}

static nng_msg *exchange(nng_socket socket, const void *request, size_t len)
{
	nng_msg *msg;
	must(nng_msg_alloc(&msg, 0), "message");
	must(nng_msg_append(msg, request, len), "message");
	must(nng_sendmsg(socket, msg, 0), "send");
	must(nng_recvmsg(socket, &msg, 0), "receive");
	return msg;
}

static void expect(nng_msg *msg, const void *answer, size_t len)
{
	const unsigned char *body = nng_msg_body(msg);
	if (nng_msg_len(msg) < len || memcmp(body, answer, len) != 0) {
		fprintf(stderr, "stock: another answer, of %zu bytes:", nng_msg_len(msg));
		for (size_t i = 0; i < nng_msg_len(msg) && i < 64; i++)
			fprintf(stderr, " %02x", body[i]);
		fputc('\n', stderr);
		exit(1);
	}
	nng_msg_free(msg);
}

// [0, id, "kv.set", ["stock", round]] then [0, id, "kv.get", ["stock"]]: [1, id, nil, round].
static void set_and_get(nng_socket socket, unsigned char number)
{
	unsigned char set[] = "\x94\x00\x00\xa6kv.set\x92\xa5stock\x00";
	unsigned char get[] = "\x94\x00\x00\xa6kv.get\x91\xa5stock";
	const unsigned char stored[] = {0x94, 0x01, number, 0xc0};
	const unsigned char value[] = {0x94, 0x01, number, 0xc0, number};
	set[2] = get[2] = set[sizeof set - 2] = number;
	expect(exchange(socket, set, sizeof set - 1), stored, sizeof stored);
	expect(exchange(socket, get, sizeof get - 1), value, sizeof value);
}

int main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "req") != 0 && strcmp(argv[1], "pair1") != 0)) {
		fputs("usage: stock req|pair1 URL\n", stderr);
		return 2;
	}
	nng_socket socket = open_socket(argv[1], argv[2]);
	for (unsigned char number = 0; number < ROUNDS; number++)
		set_and_get(socket, number);
	must(nng_close(socket), "close");
	printf("%d values set and got over %s\n", ROUNDS, argv[1]);
	return 0;
}
