// What stream_nng.c and listen_nng.c share, and nobody else sees.

#ifndef WIRE_STREAM_NNG_H
#define WIRE_STREAM_NNG_H

#include <nng/nng.h>

#include "wire/address.h"
#include "wire/stream.h"

struct stream *stream_wrap(nng_stream *, enum transport); // takes it over; NULL: no memory, and it is freed

#endif
