// What load is told on its command line.

#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include "peer.h"

struct load_options {
	struct frame_spec frame;
	const char *host;
	uint32_t port, conns, frames, keys, warmup_ms, db;
	uint32_t count; // requests; 0: until `seconds` are over
	double seconds;
	bool sequential;
};

struct load_options load_options_read(int argc, char **argv); // ends the program on a wrong one

#endif
