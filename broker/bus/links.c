#include "bus/links.h"

#include "base/mem.h"

enum { ROOM_LEAST = 64 };

static void rehang(struct links *l, struct link **heads, size_t room)
{
	for (size_t i = 0; i < l->room; i++) {
		for (struct link *at = l->heads[i], *next; at != NULL; at = next) {
			next = at->next;
			at->next = heads[at->hash & (room - 1)];
			heads[at->hash & (room - 1)] = at;
		}
	}
	mem_free(l->heads);
	l->heads = heads;
	l->room = room;
}

bool links_add(struct links *l, struct link *link)
{
	if (l->count >= l->room) {
		size_t room = l->room > 0 ? 2 * l->room : ROOM_LEAST;
		struct link **heads = mem_zalloc(room * sizeof(struct link *));
		if (heads == NULL && l->room == 0)
			return false;
		if (heads != NULL) // else the chains grow, and nothing else
			rehang(l, heads, room);
	}
	struct link **head = &l->heads[link->hash & (l->room - 1)];
	link->next = *head;
	*head = link;
	l->count++;
	return true;
}

void links_remove(struct links *l, struct link *link)
{
	struct link **at = &l->heads[link->hash & (l->room - 1)];
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	l->count--;
}

void links_free(struct links *l)
{
	mem_free(l->heads);
	*l = (struct links){0};
}
