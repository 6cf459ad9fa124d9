// sys.inspect and sys.digest: keys as they are kept.

#include "builtin/sys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "builtin/later.h"
#include "builtin/rows.h"
#include "codec/key.h"
#include "run/call.h"

static void add_time(struct rows *map, const char *name, int64_t unix_ms)
{
	rows_name(map, name);
	if (unix_ms == 0)
		pack_nil(&map->out);
	else
		pack_int(&map->out, unix_ms);
}

int32_t sys_inspect(void *self, wherry_call *call)
{
	(void)self;
	wherry_key key = {.size = sizeof(key)};
	int32_t status = call_keys.open(call, 0, WHERRY_ANY_TYPE, &key);
	if (status == WHERRY_ENOKEY) {
		char shown[128];
		return call_failf(call, status, "no key %s", key_print(call->args[0].raw, shown, sizeof(shown)));
	}
	if (status != WHERRY_OK)
		return status;
	struct rows map;
	rows_begin(&map);
	rows_text(&map, "type", key.type_name);
	rows_name(&map, "head");
	pack_bytes(&map.out, key.head);
	rows_number(&map, "records", key.records);
	rows_name(&map, "revision");
	if (key.changed) // by its transaction
		pack_nil(&map.out);
	else
		pack_uint(&map.out, key.revision);
	rows_number(&map, "memory", key.bytes);
	add_time(&map, "deadline_ms", key.deadline_ms);
	add_time(&map, "alarm_ms", key.alarm_ms);
	return rows_end_map(&map, call->reply);
}

// All stripes, one after another: too long for a thread that others wait for.
static int do_digest(struct job *job)
{
	const wherry_broker *b = job->context;
	struct digest d = store_digest(b->store, &job->result.number);
	snprintf(job->result.text, sizeof(job->result.text), "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64,
	    d.word[0], d.word[1], d.word[2], d.word[3]);
	return WHERRY_OK;
}

int32_t sys_digest(void *self, wherry_call *call)
{
	struct job_result result;
	int32_t status = later(self, call, "sys.digest", do_digest, "", &result);
	if (status != WHERRY_OK)
		return status;
	pack_array(call->reply, 2);
	pack_cstring(call->reply, result.text);
	pack_uint(call->reply, result.number);
	return WHERRY_OK;
}
