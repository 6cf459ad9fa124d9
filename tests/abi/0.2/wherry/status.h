// Result codes of Wherry: the same numbers on the wire, in the module ABI and in the C client.
// 0 is success, errors are negative, and each has a stable name.  Numbers never change and are never
// reused; new ones are appended.

#ifndef WHERRY_STATUS_H
#define WHERRY_STATUS_H

// X(suffix, number, text): the text says what the code means when nothing better is known.
#define WHERRY_STATUS_LIST(X)                                                  \
	X(EARG, -1, "an argument is wrong")                                    \
	X(ETYPE, -2, "the key holds another type")                             \
	X(ENOKEY, -3, "no such key")                                           \
	X(EEXIST, -4, "it exists already")                                     \
	X(ELIMIT, -5, "a configured limit was reached")                        \
	X(ENOMEM, -6, "out of memory")                                         \
	X(EAGAIN, -7, "not now; try again")                                    \
	X(ETIMEOUT, -8, "the time ran out")                                    \
	X(ESHUTDOWN, -9, "the broker is shutting down")                        \
	X(EDENIED, -10, "not allowed")                                         \
	X(EUNSUPPORTED, -11, "not supported")                                  \
	X(EINTERNAL, -12, "a fault in the broker or a module")                 \
	X(ECONFLICT, -13, "the revision or request id is another's")           \
	X(ESTALE, -14, "the token, cursor or subscription is no longer valid") \
	X(ECORRUPT, -15, "stored data is damaged")                             \
	X(ENOCMD, -16, "unknown command")                                      \
	X(EFULL, -17, "a bounded queue is full")                               \
	X(EIO, -18, "the disk failed; reading goes on, writing does not")      \
	X(ENORESP, -19, "nobody listens")                                      \
	X(ETAKEN, -20, "the session was resumed elsewhere")

enum wherry_status {
	WHERRY_OK = 0,
	WHERRY_PARKED = 1,  // run() only: nothing was changed, run me again when something happens
	WHERRY_RESTART = 2, // run() only: undo what I did, fetch what I asked for, run me again
#define WHERRY_STATUS_ENUM(suffix, number, text) WHERRY_##suffix = number,
	WHERRY_STATUS_LIST(WHERRY_STATUS_ENUM)
#undef WHERRY_STATUS_ENUM
};

#endif
