// The kinds of client sockets, and what each is served: struct peer.

#include "wire/inside.h"

static const struct peer peers[] = {
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
	.oversize = requests_oversize},
    {.protocol = SP_PAIR0,
	.ops = &conn_ops,
	.duplex = true,
	.take = duplex_take,
	.look_ahead = requests_look_ahead,
	.oversize = requests_oversize},
    {.protocol = SP_PUB, .ops = &conn_fetching_ops, .take = pub_take},
};

const struct peer *peer_of(uint16_t protocol)
{
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
		if (peers[i].protocol == protocol)
			return &peers[i];
	return NULL;
}
