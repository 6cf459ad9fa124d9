// What commands do, as sys.commands says: those that only read may be sent again after a lost connection.

#include "inside.h"

static bool add(void *arg, struct run name, struct run verb)
{
	struct bytes *verbs = arg;
	bool reads = verb.len == 4 && memcmp(verb.at, "read", 4) == 0;
	if (name.len == 0 || memchr(name.at, 0, name.len) != NULL) // it can't be asked for
		return true;
	if (!bytes_reserve(verbs, name.len + 2))
		return false;
	bytes_byte(verbs, reads ? 'r' : '-');
	bytes_put(verbs, name.at, name.len);
	bytes_byte(verbs, 0);
	return true;
}

void verbs_learn(struct wherry_client *c, struct run answer)
{
	c->verbs.len = 0;
	if (!wire_commands(answer, add, &c->verbs))
		c->verbs.len = 0;
}

enum verb verb_of(const struct wherry_client *c, const struct request *r)
{
	struct run method = wire_method((struct run){r->bytes, r->len});
	const char *at = (const char *)c->verbs.data, *end = at + c->verbs.len;
	while (at < end) {
		size_t len = strlen(at + 1);
		if (len == method.len && memcmp(at + 1, method.at, len) == 0)
			return *at == 'r' ? VERB_READS : VERB_OTHER;
		at += len + 2;
	}
	return VERB_UNKNOWN;
}
