// The built-in module "ns": namespaces, each a keyspace of its own.

#include "broker.h"
#include "builtin/describe.h"
#include "builtin/quote.h"
#include "builtin/rows.h"
#include "run/call.h"

static int32_t run_list(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct rows list;
	rows_begin(&list);
	for (uint32_t ns = 0, count = store_ns_count(b->store); ns < count; ns++) {
		if (store_ns_is_own(span_text(store_ns_name(b->store, ns))))
			continue;
		list.count++;
		pack_map(&list.out, 2);
		pack_cstring(&list.out, "name");
		pack_cstring(&list.out, store_ns_name(b->store, ns));
		pack_cstring(&list.out, "keys");
		pack_uint(&list.out, store_live_keys(b->store, ns, clock_unix_ms(&b->clock)));
	}
	return rows_end_list(&list, call->reply);
}

static int32_t run_create(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	wherry_span name = call->args[0].as.bytes;
	uint32_t ns;
	int status = store_ns_create(b->store, name, &ns);
	if (status == WHERRY_EARG)
		return call_failf(call, status, "namespace %s: a name is 1 to 64 of A-Z a-z 0-9 _ . -", QUOTED(name));
	if (status == WHERRY_EEXIST)
		return call_failf(call, status, "namespace %s exists already", QUOTED(name));
	if (status == WHERRY_ELIMIT)
		return call_failf(call, status, "there are %d namespaces, which is the most", STORE_NAMESPACES);
	if (status == WHERRY_OK)
		pack_bool(call->reply, true);
	return status;
}

static const wherry_arg create_args[] = {
    ARG("name", WHERRY_TEXT, 0, "1 to 64 of A-Z a-z 0-9 _ . -"),
};

static const wherry_command commands[] = {
    COMMAND("ns.list", "read", WHERRY_CMD_ALONE, run_list,
	"All namespaces: a list of maps with name and keys (how many).  The first one is where sessions "
	"begin."),
    COMMAND_ARGS("ns.create", "admin", WHERRY_CMD_ADMIN, run_create, create_args,
	"Makes a namespace; answers true.  EEXIST: there already.  Go there with session.use, or "
	"name it in the "
	"option ns of any command."),
};

const wherry_module builtin_ns = BUILTIN("ns", commands);
