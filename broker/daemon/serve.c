// Serving: serve.h.

#include "daemon/serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "broker.h"
#include "config.h"
#include "crash.h"
#include "daemon/configure.h"
#include "daemon/notify.h"
#include "daemon/signals.h"

enum { URLS_ROOM = 1024, COMPLAINT_ROOM = 2 * CONFIG_WHY_ROOM, STOP_SPARE_MS = 10000 };

int complain(int status, const char *what)
{
	char text[COMPLAINT_ROOM];
	struct line l = line_of(text, sizeof(text));
	line_show(&l, what);
	fprintf(stderr, "wherryd: %s\n", line_end(&l));
	return status;
}

static void list_urls(const wherry_broker *b, char *urls, size_t room)
{
	size_t len = 0;
	urls[0] = 0;
	for (unsigned i = 0; wherry_broker_url(b, i) != NULL && len < room; i++)
		len += (size_t)snprintf(urls + len, room - len, "%s%s", i > 0 ? " " : "", wherry_broker_url(b, i));
}

static void notify_ready(const wherry_broker *b, const char *note)
{
	char urls[URLS_ROOM];
	list_urls(b, urls, sizeof(urls));
	notify("READY=1\nSTATUS=%sserving %s", note, urls);
}

// --- reload ------------------------------------------------------------------------------------------------------------

static void say_refused(void *arg, const char *why)
{
	const wherry_broker *b = arg;
	log_event(&b->log, WHERRY_LOG_ERROR, "reload refused", "why", why, NULL);
}

static bool reload_into(wherry_broker *b, wherry_config *c, const struct wish *w)
{
	char *why = NULL;
	if (configure(c, w, say_refused, b) != EXIT_SUCCESS || configure_listeners(c, say_refused, b) != EXIT_SUCCESS)
		return false;
	int status = wherry_broker_reload(b, c, &why);
	if (status != WHERRY_OK)
		say_refused(b, why != NULL ? why : "out of memory");
	free(why);
	return status == WHERRY_OK;
}

// What came through a pipe is gone, and to wait for more of it is no way to go on.
static bool can_be_read_again(wherry_broker *b, const char *path)
{
	struct stat st;
	char why[CONFIG_WHY_ROOM];
	if (stat(path, &st) != 0 || S_ISREG(st.st_mode)) // what is not there is said by whoever reads it
		return true;
	snprintf(why, sizeof(why), "%.400s is no regular file: it can't be read again", path);
	say_refused(b, why);
	return false;
}

static void reload(void *arg, wherry_broker *b)
{
	wherry_config *c = wherry_config_new();
	notify_reloading();
	bool done = c != NULL && can_be_read_again(b, configure_file(arg)) && reload_into(b, c, arg);
	if (c == NULL)
		say_refused(b, "out of memory");
	wherry_config_free(c);
	notify_ready(b, done ? "" : "reload refused, see the log; ");
}

static void reopen_log(void *arg, wherry_broker *b)
{
	char *why = NULL;
	(void)arg;
	if (wherry_broker_reopen_log(b, &why) != WHERRY_OK)
		log_event(
		    &b->log, WHERRY_LOG_ERROR, "log not reopened", "why", why != NULL ? why : "out of memory", NULL);
	else if (b->log_fd < 0)
		log_event(&b->log, WHERRY_LOG_WARN, "log not reopened", "why", "there is no log_file", NULL);
	else
		log_event(&b->log, WHERRY_LOG_INFO, "log reopened", "pid", LOG_NUMBER(getpid()), NULL);
	free(why);
}

// --- alive -------------------------------------------------------------------------------------------------------------

// A request through the whole router; if it hangs, the watchdog bites, as it should.  In a session of its own: one
// is closed for good when there was no memory for an answer.
static bool answers(wherry_broker *b)
{
	static const char ping[] = "\x94\x00\x01\xa8sys.ping\x90", pong[] = "\xa4PONG";
	wherry_session *s;
	const void *answer;
	size_t len;
	if (wherry_session_open(b, &s) != WHERRY_OK)
		return false;
	bool ponged = wherry_session_call(s, ping, sizeof(ping) - 1, &answer, &len) == WHERRY_OK &&
		      memmem(answer, len, pong, sizeof(pong) - 1) != NULL;
	wherry_session_close(s);
	return ponged;
}

static void wait_for_end(wherry_broker *b)
{
	int64_t every_ms = notify_watchdog_ms();
	do {
		if (every_ms > 0 && answers(b))
			notify("WATCHDOG=1");
	} while (wherry_broker_wait(b, every_ms) != WHERRY_OK);
}

// --- the story ---------------------------------------------------------------------------------------------------------

static void say_ready(const wherry_broker *b)
{
	char urls[URLS_ROOM];
	list_urls(b, urls, sizeof(urls));
	log_event(&b->log, WHERRY_LOG_WARN, "in memory only", "note", "nothing survives the end of this broker", NULL);
	log_event(&b->log, WHERRY_LOG_INFO, "ready", "version", wherry_version(), "pid", LOG_NUMBER(getpid()), "urls",
	    urls, NULL);
	notify_ready(b, "");
}

static void count_module(void *arg, const struct module_info *info)
{
	*(int *)arg += !info->builtin;
}

// Answers may take drain_timeout to leave, and each module to drain.
static void say_stopping(const wherry_broker *b)
{
	int waits = 1;
	modules_each(b->modules, count_module, &waits);
	int64_t drain_ms = atomic_load(&b->options[broker_option_index("drain_timeout")].number);
	int64_t most_ms = waits * drain_ms + STOP_SPARE_MS;
	log_event(&b->log, WHERRY_LOG_INFO, "stopping", NULL);
	notify("STOPPING=1\nSTATUS=letting answers leave\nEXTEND_TIMEOUT_USEC=%" PRId64, most_ms * 1000);
}

int serve(const wherry_config *c, const struct wish *w)
{
	wherry_broker *b;
	char *why;
	struct signals actions = {configure_file(w) != NULL ? reload : NULL, reopen_log, (void *)(uintptr_t)w};
	signals_block();
	crash_install();
	if (!signals_start(&actions))
		return complain(EXIT_FAILURE, "no thread for signals");
	if (wherry_broker_open(c, &b, &why) != WHERRY_OK) {
		complain(EXIT_FAILURE, why != NULL ? why : "out of memory");
		notify("STATUS=%s", why != NULL ? why : "out of memory");
		free(why);
		return EXIT_FAILURE;
	}
	crash_log_to(b->log_fd);
	signals_serve(b);
	say_ready(b);
	wait_for_end(b);
	say_stopping(b);
	crash_log_to(-1);
	signals_close(b);
	return EXIT_SUCCESS;
}
