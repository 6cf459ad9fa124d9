// `wherry pop`: messages of queues, acknowledged when they are printed.

#include <getopt.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "follow.h"
#include "value.h"

const char pop_help[] =
    "Takes the next message of the first queue that has one, prints it, and acknowledges it once it is\n"
    "printed. If this ends in between, the message stays reserved for its visibility time and then comes\n"
    "again. With -o json a message is an object with queue, id, attempt, value, headers and age_ms; with\n"
    "-o raw it is the value.\n"
    "\n"
    "  -n, --count N           so many (1)\n"
    "      --wait SECONDS      how long to wait for each (0: not at all)\n"
    "      --no-ack            takes it for good at once, instead of acknowledging it when it is printed\n"
    "      --visible-ms N      for how long it is reserved; else what the queue says\n"
    "\n"
    "Exit status: 0 all were there; 75 there was none, or fewer; 1 an error; 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  wherry push jobs 'first' 'second'\n"
    "  wherry pop jobs --count 2\n";

struct pop {
	const struct settings *settings;
	wherry_client *client;
	uint64_t count, visible_ms;
	double wait_s;
	bool no_ack;
	msgpack_sbuffer params, options;
};

// --- options ------------------------------------------------------------------------------------------------------------

static int read_wait(struct pop *p, const char *text)
{
	char *end;
	p->wait_s = strtod(text, &end);
	if (end != text && *end == 0 && p->wait_s >= 0 && p->wait_s <= 1e6)
		return -1;
	return wrong("--wait takes seconds, not %.100s", text);
}

static int read_flag(struct pop *p, int flag, const char *word)
{
	int status = -1;
	switch (flag) {
	case 'n':
		p->count = follow_number("--count", optarg, &status);
		break;
	case 'v':
		p->visible_ms = follow_number("--visible-ms", optarg, &status);
		break;
	case 'w':
		return read_wait(p, optarg);
	case 'a':
		p->no_ack = true;
		break;
	case ':':
		return wrong("pop: %s takes a value", word);
	default:
		return wrong("pop has no option %s", word);
	}
	return status;
}

static int read_options(struct pop *p, int argc, char **argv)
{
	static const struct option flags[] = {
	    {"count", required_argument, NULL, 'n'},
	    {"wait", required_argument, NULL, 'w'},
	    {"no-ack", no_argument, NULL, 'a'},
	    {"visible-ms", required_argument, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	int status = -1;
	optind = 0; // glibc: begins anew
	opterr = 0;
	for (int flag; status == -1 && (flag = getopt_long(argc, argv, ":n:", flags, NULL)) != -1;)
		status = read_flag(p, flag, argv[optind - 1]);
	if (status == -1 && optind == argc)
		return wrong("pop takes the names of queues");
	return status;
}

static void pack_text(msgpack_packer *pack, const char *text)
{
	msgpack_pack_str(pack, strlen(text));
	msgpack_pack_str_body(pack, text, strlen(text));
}

static void pack_queues(struct pop *p, int count, char **names)
{
	msgpack_packer pack;
	msgpack_packer_init(&pack, &p->params, msgpack_sbuffer_write);
	msgpack_pack_array(&pack, (size_t)count);
	for (int i = 0; i < count; i++)
		pack_text(&pack, names[i]);
}

static void pack_options(struct pop *p)
{
	msgpack_packer pack;
	msgpack_packer_init(&pack, &p->options, msgpack_sbuffer_write);
	msgpack_pack_map(&pack, 2 + (p->visible_ms > 0));
	pack_text(&pack, "wait_ms");
	msgpack_pack_int64(&pack, (int64_t)(p->wait_s * 1000));
	pack_text(&pack, p->no_ack ? "ack" : "hold");
	if (p->no_ack)
		msgpack_pack_false(&pack);
	else
		msgpack_pack_true(&pack);
	if (p->visible_ms == 0)
		return;
	pack_text(&pack, "visible_ms");
	msgpack_pack_uint64(&pack, p->visible_ms);
}

// --- one message --------------------------------------------------------------------------------------------------------

static const msgpack_object *member(const msgpack_object *map, const char *name)
{
	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object *key = &map->via.map.ptr[i].key;
		if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
		    memcmp(key->via.str.ptr, name, strlen(name)) == 0)
			return &map->via.map.ptr[i].val;
	}
	static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
	return &nil;
}

static void print_json(const msgpack_object *message)
{
	static const char *const names[] = {"queue", "token", "attempt", "value", "headers", "age_ms"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		printf("%s\"%s\": ", i == 0 ? "{" : ", ", names[i]);
		value_as_json(member(message, names[i]), stdout);
	}
	fputs("}\n", stdout);
}

static void print_message(const struct pop *p, const msgpack_object *message)
{
	const msgpack_object *value = member(message, "value");
	msgpack_sbuffer bytes;
	if (p->settings->output == OUTPUT_JSON) {
		print_json(message);
		return;
	}
	msgpack_sbuffer_init(&bytes);
	msgpack_packer pack;
	msgpack_packer_init(&pack, &bytes, msgpack_sbuffer_write);
	msgpack_pack_object(&pack, *value);
	if (p->settings->output == OUTPUT_RAW)
		value_raw(bytes.data, bytes.size, stdout);
	else
		follow_value(p->settings, bytes.data, bytes.size, stdout);
	putchar('\n');
	msgpack_sbuffer_destroy(&bytes);
}

static int acknowledge(const struct pop *p, const msgpack_object *message)
{
	msgpack_sbuffer params;
	msgpack_packer pack;
	wherry_reply reply = {0};
	msgpack_sbuffer_init(&params);
	msgpack_packer_init(&pack, &params, msgpack_sbuffer_write);
	msgpack_pack_array(&pack, 2);
	msgpack_pack_object(&pack, *member(message, "queue"));
	msgpack_pack_object(&pack, *member(message, "token"));
	int status = wherry_client_call(p->client, "queue.ack", params.data, params.size, NULL, 0, &reply);
	if (status != WHERRY_OK)
		status = complain_of_call(&reply.error);
	wherry_reply_free(&reply);
	msgpack_sbuffer_destroy(&params);
	return status;
}

static int take(const struct pop *p, const msgpack_object *answer)
{
	if (answer->type != MSGPACK_OBJECT_ARRAY || answer->via.array.size == 0)
		return EXIT_RETRY;
	const msgpack_object *message = &answer->via.array.ptr[0];
	print_message(p, message);
	int status = finished(EXIT_SUCCESS); // it is theirs only if it has arrived
	return status != EXIT_SUCCESS || p->no_ack ? status : acknowledge(p, message);
}

static int pop_one(struct pop *p)
{
	wherry_reply reply = {0};
	msgpack_unpacked u;
	wherry_request request = {.size = sizeof(request),
	    .method = "queue.pop",
	    .params = p->params.data,
	    .params_len = p->params.size,
	    .options = p->options.data,
	    .options_len = p->options.size,
	    .timeout_ms = -1};
	if (wherry_client_ask(p->client, &request, &reply) != WHERRY_OK) {
		int status = complain_of_call(&reply.error);
		wherry_reply_free(&reply);
		return status;
	}
	msgpack_unpacked_init(&u);
	msgpack_unpack_next(&u, reply.result, reply.result_len, NULL);
	int status = take(p, &u.data);
	msgpack_unpacked_destroy(&u);
	wherry_reply_free(&reply);
	return status;
}

int run_pop(const struct settings *s, int argc, char **argv)
{
	struct pop p = {.settings = s, .count = 1};
	wherry_client_options more = {.once = 1};
	msgpack_sbuffer_init(&p.params);
	msgpack_sbuffer_init(&p.options);
	int status = read_options(&p, argc, argv);
	if (status == -1)
		status = cli_connect(s, &more, &p.client);
	if (status == 0) {
		pack_queues(&p, argc - optind, argv + optind);
		pack_options(&p);
		for (uint64_t i = 0; status == 0 && i < p.count; i++)
			status = pop_one(&p);
	}
	wherry_client_close(p.client);
	msgpack_sbuffer_destroy(&p.params);
	msgpack_sbuffer_destroy(&p.options);
	return status;
}
