// The prompt's connection: waiting that Ctrl-C ends, and what is told of a broker that went and came back.
// answered() and changed() run on the client's thread; `lock` guards what they and the main thread share.

#include "prompt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "prompt_wake.h"

enum { TRY_AGAIN_MS = 500, QUICK_MS = 2000 };

struct link {
	pthread_mutex_t lock;
	bool up, told_up;
	bool was_down; // since it was last told
	wherry_error why;
	bool outdated; // main thread: catalog and namespace have to be asked for
};

static void changed(void *arg, int connected, const wherry_error *why)
{
	struct link *l = arg;
	pthread_mutex_lock(&l->lock);
	l->up = connected != 0;
	l->was_down = l->was_down || !l->up;
	if (why != NULL)
		l->why = *why;
	pthread_mutex_unlock(&l->lock);
	wake_up(WAKE_NEWS);
}

bool link_is_up(const struct link *l)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&l->lock;
	pthread_mutex_lock(lock);
	bool up = l->up;
	pthread_mutex_unlock(lock);
	return up;
}

void link_outdated(struct prompt *p)
{
	p->link->outdated = true;
}

void link_tell(struct prompt *p)
{
	struct link *l = p->link;
	pthread_mutex_lock(&l->lock);
	bool lost = l->was_down && l->told_up, back = l->up && (l->was_down || !l->told_up);
	wherry_error why = l->why;
	l->was_down = !l->up;
	l->told_up = l->up;
	pthread_mutex_unlock(&l->lock);
	if (lost)
		say_error(p, stdout, "The connection was lost: %s", why.text);
	if (lost && !back)
		fputs("It is tried again until the broker is back; commands wait for it.\n", stdout);
	if (back) {
		fputs("Connected again.\n", stdout);
		l->outdated = true;
	}
}

// --- the first connection -----------------------------------------------------------------------------------------------

// Whether the terminal says there will be no input; what was typed ahead stays for the prompt.
static bool input_ended(int timeout_ms)
{
	struct pollfd look = {.fd = STDIN_FILENO, .events = POLLIN};
	int typed = 0;
	if (poll(&look, 1, timeout_ms) <= 0)
		return false;
	if ((look.revents & POLLIN) == 0 || ioctl(STDIN_FILENO, FIONREAD, &typed) != 0 || typed == 0)
		return true;
	poll(NULL, 0, timeout_ms);
	return false;
}

static int try_again(struct prompt *p)
{
	wherry_error error;
	fputs("Trying again until one does; Ctrl-C ends.\n", stderr);
	for (;;) {
		if (input_ended(TRY_AGAIN_MS))
			return EXIT_RETRY;
		int status = cli_try(&p->settings, NULL, &p->client, &error);
		if (status == WHERRY_OK)
			return 0;
		if (!error.local || status == WHERRY_EARG)
			return complain(&error);
	}
}

// Connecting waits for a broker that says nothing, and there is nothing to tidy up yet.
static void give_up(int number)
{
	(void)number;
	_exit(EXIT_RETRY);
}

static int connect_first(struct prompt *p)
{
	signal(SIGINT, give_up);
	int status = cli_connect(&p->settings, NULL, &p->client);
	if (status == EXIT_RETRY)
		status = try_again(p);
	signal(SIGINT, SIG_DFL);
	snprintf(p->url, sizeof(p->url), "%s", cli_url());
	return status;
}

int link_open(struct prompt *p)
{
	struct link *l = p->link = calloc(1, sizeof(*p->link));
	if (l == NULL)
		return fail(EXIT_ERROR, "out of memory");
	pthread_mutex_init(&l->lock, NULL);
	int status = connect_first(p);
	if (status != 0)
		return status;
	if (!wake_open())
		return fail(EXIT_ERROR, "no event descriptor is left");
	l->up = l->told_up = l->outdated = true;
	p->reading = (struct reading){.client = p->client, .whole_catalog = true, .no_stdin = true};
	p->reading.raw_values = p->settings.raw_values;
	if (wherry_client_on_change(p->client, changed, l) != WHERRY_OK)
		return fail(EXIT_ERROR, "out of memory");
	return 0;
}

void link_close(struct prompt *p)
{
	wherry_client_close(p->client);
	reading_free(&p->reading);
	if (p->link != NULL)
		pthread_mutex_destroy(&p->link->lock);
	free(p->link);
}

// --- asking -------------------------------------------------------------------------------------------------------------

// A request under way, shared by who waits and the client's thread; the last one frees it.
struct asked {
	pthread_mutex_t lock;
	bool answered, left;
	wherry_reply reply; // copied, to link_free()
};

void link_free(wherry_reply *r)
{
	free((void *)r->result);
	*r = (wherry_reply){0};
}

static void asked_free(struct asked *a)
{
	pthread_mutex_destroy(&a->lock);
	link_free(&a->reply);
	free(a);
}

static void copy_reply(wherry_reply *to, const wherry_reply *from)
{
	to->error = from->error;
	if (from->result == NULL)
		return;
	void *copy = malloc(from->result_len + 1);
	if (copy == NULL) {
		to->error = (wherry_error){.code = WHERRY_ENOMEM, .local = 1, .name = "ENOMEM"};
		snprintf(to->error.text, sizeof(to->error.text), "out of memory; the command ran");
		return;
	}
	memcpy(copy, from->result, from->result_len);
	to->result = copy;
	to->result_len = from->result_len;
}

static void answered(void *arg, const wherry_reply *reply)
{
	struct asked *a = arg;
	pthread_mutex_lock(&a->lock);
	bool left = a->left;
	if (!left)
		copy_reply(&a->reply, reply);
	a->answered = true;
	pthread_mutex_unlock(&a->lock);
	if (left)
		asked_free(a);
	wake_up(WAKE_NEWS);
}

static bool is_answered(struct asked *a)
{
	pthread_mutex_lock(&a->lock);
	bool is = a->answered;
	pthread_mutex_unlock(&a->lock);
	return is;
}

// Whoever comes second frees it.
static void leave(struct asked *a)
{
	pthread_mutex_lock(&a->lock);
	bool is = a->answered;
	a->left = true;
	pthread_mutex_unlock(&a->lock);
	if (is)
		asked_free(a);
}

static bool wait_for(struct prompt *p, struct asked *a)
{
	enum { ENDS = WAKE_INTERRUPT | WAKE_END };
	while (!is_answered(a)) {
		wake_wait(ENDS | WAKE_NEWS | WAKE_SUSPEND, -1, -1);
		wake_take(WAKE_NEWS);
		if (wake_take(WAKE_SUSPEND) != 0)
			prompt_suspend(p);
		link_tell(p);
		fflush(stdout);
		if ((wake_take(WAKE_INTERRUPT) != 0 || wake_ending_signal() != 0) && !is_answered(a))
			return false;
	}
	return true;
}

static wherry_request as_sent(const struct request *q)
{
	return (wherry_request){.size = sizeof(wherry_request),
	    .method = q->method,
	    .params = q->params.data,
	    .params_len = q->params.size,
	    .options = q->options.size > 0 ? q->options.data : NULL,
	    .options_len = q->options.size};
}

int link_ask(struct prompt *p, const struct request *q, wherry_reply *reply)
{
	wherry_request request = as_sent(q);
	struct asked *a = calloc(1, sizeof(*a));
	*reply = (wherry_reply){0};
	int status = WHERRY_ENOMEM;
	if (a != NULL) {
		pthread_mutex_init(&a->lock, NULL);
		status = wherry_client_send(p->client, &request, answered, a);
	}
	if (status != WHERRY_OK) {
		reply->error = (wherry_error){.code = status, .local = 1};
		snprintf(reply->error.name, sizeof(reply->error.name), "%s", wherry_status_name(status));
		snprintf(reply->error.text, sizeof(reply->error.text), "%s", wherry_status_text(status));
		if (a != NULL)
			asked_free(a);
		return ASKED;
	}
	if (!wait_for(p, a)) {
		leave(a);
		return ASKED_LEFT;
	}
	*reply = a->reply;
	a->reply = (wherry_reply){0};
	asked_free(a);
	return ASKED;
}

bool link_ask_quickly(struct prompt *p, const wherry_request *request, wherry_reply *reply)
{
	return link_is_up(p->link) && wherry_client_ask(p->client, request, reply) == WHERRY_OK;
}

// --- what is known of the broker ----------------------------------------------------------------------------------------

static bool text_is(const msgpack_object *o, const char *text)
{
	return o->type == MSGPACK_OBJECT_STR && o->via.str.size == strlen(text) &&
	       memcmp(o->via.str.ptr, text, o->via.str.size) == 0;
}

static void copy_member(const msgpack_object *map, const char *name, char out[PROMPT_NAME])
{
	out[0] = 0;
	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object *o = &map->via.map.ptr[i].val;
		if (text_is(&map->via.map.ptr[i].key, name) && o->type == MSGPACK_OBJECT_STR)
			snprintf(out, PROMPT_NAME, "%.*s", (int)o->via.str.size, o->via.str.ptr);
	}
}

// A text of the answer's map, or of the first map in it.
static void ask_name(struct prompt *p, const char *method, const char *member, char out[PROMPT_NAME])
{
	wherry_request request = {.size = sizeof(request), .method = method, .timeout_ms = QUICK_MS};
	wherry_reply reply = {0};
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	if (link_ask_quickly(p, &request, &reply) &&
	    msgpack_unpack_next(&u, reply.result, reply.result_len, NULL) == MSGPACK_UNPACK_SUCCESS) {
		bool list = u.data.type == MSGPACK_OBJECT_ARRAY && u.data.via.array.size > 0;
		copy_member(list ? u.data.via.array.ptr : &u.data, member, out);
	}
	msgpack_unpacked_destroy(&u);
	wherry_reply_free(&reply);
}

static void load_catalog(struct prompt *p)
{
	struct catalog *catalog;
	wherry_error error;
	wherry_client_set_timeout(p->client, QUICK_MS);
	if (catalog_load(p->client, NULL, &catalog, &error) == WHERRY_OK) {
		catalog_free(p->reading.catalog);
		p->reading.catalog = catalog;
	}
	wherry_client_set_timeout(p->client, p->settings.timeout_ms);
}

void link_refresh(struct prompt *p)
{
	if (!p->link->outdated || !link_is_up(p->link))
		return;
	p->link->outdated = false;
	load_catalog(p);
	ask_name(p, "ns.list", "name", p->first_ns);
	ask_name(p, "session.info", "ns", p->ns);
}
