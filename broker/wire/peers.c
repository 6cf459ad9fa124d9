// The kinds of client sockets, and what each is served: struct peer_kind.

#include "wire/inside.h"

static const struct peer_kind peers[] = {
    {.protocol = SP_REQ,
	.ops = &conn_fetching_ops,
	.take = req_take,
	.look_ahead = requests_look_ahead,
	.oversize = requests_oversize,
	.chokes = req_chokes,
	.waits = req_waits},
    {.protocol = SP_PAIR1,
	.ops = &conn_ops,
	.duplex = true,
	.take = duplex_take,
	.look_ahead = requests_look_ahead,
	.oversize = requests_oversize,
	.next = duplex_next},
    {.protocol = SP_PAIR0,
	.ops = &conn_ops,
	.duplex = true,
	.take = duplex_take,
	.look_ahead = requests_look_ahead,
	.oversize = requests_oversize,
	.next = duplex_next},
    {.protocol = SP_PUB, .ops = &conn_fetching_ops, .take = pub_take},
    {.protocol = SP_SUB, .ops = &conn_ops, .begin = sub_begin, .take = mute_take, .next = sub_next},
    {.protocol = SP_PUSH,
	.ops = &push_ops,
	.refuses = pipeline_refuses,
	.begin = pipeline_begin,
	.take = push_take,
	.chokes = push_chokes,
	.settles = push_settles,
	.waits = pipeline_waits,
	.rested = conn_resume,
	.ends = push_ends},
    {.protocol = SP_PULL,
	.ops = &pull_ops,
	.refuses = pipeline_refuses,
	.begin = pull_begin,
	.take = mute_take,
	.next = pull_next,
	.hops = true,
	.unsent = pull_unsent,
	.rested = pull_rested},
};

const struct peer_kind *peer_of(uint16_t protocol)
{
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
		if (peers[i].protocol == protocol)
			return &peers[i];
	return NULL;
}
