// sys.slowlog: the requests that took long.

#include "builtin/sys.h"

#include "base/status.h"
#include "broker.h"
#include "builtin/rows.h"
#include "run/call.h"
#include "run/slow.h"

enum { COUNT_PRESET = 16 };

struct showing {
	struct rows list;
	int64_t left;
	uint64_t since;
};

static const char *result_name(int status)
{
	return status == WHERRY_OK ? "OK" : status == WHERRY_PARKED ? "PARKED" : status_name(status);
}

static bool add_run(void *arg, const struct slow_run *run)
{
	struct showing *s = arg;
	if (s->left-- == 0 || run->id <= s->since)
		return false;
	struct rows map;
	rows_begin(&map);
	rows_number(&map, "id", run->id);
	rows_int(&map, "at_ms", run->at_ms);
	rows_number(&map, "us", run->us);
	rows_number(&map, "among", run->among);
	rows_text(&map, "command", run->command);
	rows_text(&map, "ns", run->ns);
	rows_number(&map, "session", run->session);
	rows_text(&map, "client", run->client);
	rows_text(&map, "remote", run->remote);
	rows_text(&map, "status", result_name(run->status));
	rows_name(&map, "args");
	pack_raw(&map.out, run->args);
	s->list.bytes.failed |= rows_end_map(&map, &s->list.out) != WHERRY_OK;
	s->list.count++;
	return true;
}

int32_t sys_slowlog(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	const wherry_value *count = &call->args[0], *since = &call->args[1], *reset = &call->args[2];
	struct showing s = {.left = count->kind == WHERRY_ABSENT ? COUNT_PRESET : count->as.i};
	if (s.left < 0 || (since->kind != WHERRY_ABSENT && since->as.i < 0))
		return call_failf(call, WHERRY_EARG, "option \"%s\" must be 0 or more", s.left < 0 ? "count" : "since");
	if (since->kind != WHERRY_ABSENT)
		s.since = (uint64_t)since->as.i;
	rows_begin(&s.list);
	slow_each(b->router, reset->kind != WHERRY_ABSENT && reset->as.i != 0, add_run, &s);
	return rows_end_list(&s.list, call->reply);
}
