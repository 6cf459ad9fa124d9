// Which modules are mapped in this process, for whoever may look at nothing else: a crash report.  Names and addresses
// only, in fixed room; those that were unloaded stay as long as their code does.
//
// Threads: changes by the thread that loads and unloads; reading by anybody, in a signal handler too: a row that changes
// meanwhile may read mixed, but never outside its room.

#ifndef MODULE_ROSTER_H
#define MODULE_ROSTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ROSTER_MOST = 128 };
enum roster_state { ROSTER_FREE, ROSTER_LOADED, ROSTER_UNLOADED };

struct roster_row {
	_Atomic unsigned state;
	const void *who; // the instance that it is about; NULL: it is gone, its code is not
	uint64_t order;
	uintptr_t from, to; // where it is mapped
	uint32_t reloads;
	char name[40], version[40], path[256];
};

// `inside`: an address in its file.  With all rows taken the oldest unloaded one makes room, or it is left out.
void roster_add(
    const void *who, const char *name, const char *version, const char *path, const void *inside, uint32_t reloads);
void roster_unloaded(const void *who);
void roster_forget(const void *who, bool mapped); // its memory goes; mapped: its code stays

const struct roster_row *roster_at(unsigned index);           // NULL: nobody there; index < ROSTER_MOST
const struct roster_row *roster_of(const void *code_or_data); // whose it is; NULL: no module's

#endif
