// A server with harness.h's router behind it: wired.h.

#include "wired.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// Made for these tests only; nobody else trusts it.
static const char certificate[] = "-----BEGIN CERTIFICATE-----\n"
				  "MIIBfzCCASWgAwIBAgIUBW2Cdn4hr6eMmxHPYz4IUaT5nwEwCgYIKoZIzj0EAwIw\n"
				  "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAwMzIzNVoYDzIxMjYxMDI4\n"
				  "MDAzMjM1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
				  "PQMBBwNCAATA22jwLNUNLNhx+aXHushxfdN3diOQCyY605JgtC+s+59XPtuH8WlN\n"
				  "/+dUj7fni5V6syf4cazF5zPAwZqvfLA9o1MwUTAdBgNVHQ4EFgQU0jtbGxQghs09\n"
				  "ULLs4EF9NLK8AxYwHwYDVR0jBBgwFoAU0jtbGxQghs09ULLs4EF9NLK8AxYwDwYD\n"
				  "VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEArf3O/tzPATjj1EZR9u6H\n"
				  "m0XMV6YUrP13Su6fTQMjMfYCIDP4sgJsjeeVIhzLVlhucjUyapQgwwyKTKshkhmC\n"
				  "eQqq\n"
				  "-----END CERTIFICATE-----\n";
static const char private_key[] = "-----BEGIN PRIVATE KEY-----\n"
				  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1AnLiSNR4ZGiXVzW\n"
				  "yNG6vXZDhI0y7Pnx6w8U9HfogYmhRANCAATA22jwLNUNLNhx+aXHushxfdN3diOQ\n"
				  "CyY605JgtC+s+59XPtuH8WlN/+dUj7fni5V6syf4cazF5zPAwZqvfLA9\n"
				  "-----END PRIVATE KEY-----\n";

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

struct listen_options wired_options(struct wired *w, char cert[static 64], char key[static 64])
{
	snprintf(cert, 64, "%s/cert.pem", w->dir);
	snprintf(key, 64, "%s/key.pem", w->dir);
	return (struct listen_options){.tls_cert_file = cert, .tls_key_file = key, .ipc_mode = 0600};
}

static void listen_on(struct wired *w, int which, const char *url)
{
	char cert[64], key[64], why[256] = "";
	struct listen_options options = wired_options(w, cert, key);
	int status = server_listen(w->server, url, &options, w->url[which], sizeof(w->url[which]), why, sizeof(why));
	if (status != WHERRY_OK)
		fail_msg("%s: %s", url, why);
}

void wired_open(struct wired *w)
{
	*w = (struct wired){.limits = {.max_frame = 1 << 20,
				.max_connections = 5000,
				.handshake_ms = 10000,
				.outbox_bytes = 1 << 20,
				.send_bytes = 256 << 10,
				.stall_ms = 30000,
				.resend_bytes = 64 << 20},
	    .dir = "/tmp/wired-XXXXXX"};
	harness_open(&w->h, false);
	assert_non_null(mkdtemp(w->dir));
	struct server_config config = {w->h.router, w->h.timers, &w->h.log, &w->limits};
	assert_int_equal(server_open(&w->server, &config), WHERRY_OK);
	char path[64], url[64];
	snprintf(path, sizeof(path), "%s/cert.pem", w->dir);
	write_file(path, certificate);
	snprintf(path, sizeof(path), "%s/key.pem", w->dir);
	write_file(path, private_key);
	snprintf(url, sizeof(url), "ipc://%s/socket", w->dir);
	listen_on(w, WIRED_TCP, "tcp://127.0.0.1:0");
	listen_on(w, WIRED_IPC, url);
	listen_on(w, WIRED_TLS, "tls+tcp://127.0.0.1:0");
}

void wired_close(struct wired *w)
{
	char path[64];
	server_close(w->server);
	snprintf(path, sizeof(path), "%s/cert.pem", w->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/key.pem", w->dir);
	unlink(path);
	assert_int_equal(rmdir(w->dir), 0); // the listener took its socket with it
	harness_close(&w->h);
}

void wired_ask(struct sp_client *c, uint32_t word, const char *line)
{
	struct buffer frame = {0};
	embed_encode(line, &frame);
	assert_true(sp_send(c, word, frame.data, frame.len));
	buffer_free(&frame);
}

char *wired_answer(struct sp_client *c, uint32_t *word, int timeout_ms)
{
	struct sp_message m;
	switch (sp_recv(c, &m, timeout_ms)) {
	case SP_CLOSED:
		return strdup("closed");
	case SP_TIMEOUT:
		return strdup("silence");
	case SP_GOT:
		break;
	}
	if (word != NULL)
		*word = m.word;
	bool notification = m.len >= 2 && m.body[1] == 2;
	return notification ? embed_show(span_of(m.body, m.len)) : embed_decode(span_of(m.body, m.len));
}

struct server_stats wired_stats(struct wired *w)
{
	struct server_stats stats;
	server_read_stats(w->server, &stats);
	return stats;
}

void wired_pause(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

int wired_setup(void **state)
{
	struct wired *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	wired_open(w);
	*state = w;
	return 0;
}

int wired_teardown(void **state)
{
	wired_close(*state);
	free(*state);
	return 0;
}
