// The heap of deadlines and alarms.

#include "store/inside.h"

enum { ROOM_LEAST = 4 };

static void place(struct due *d, uint32_t at, struct due_item item)
{
	d->items[at] = item;
	item.extra->place = at;
}

static void sift_up(struct due *d, uint32_t at, struct due_item item)
{
	for (; at > 1 && item.ms < d->items[at / 2].ms; at /= 2)
		place(d, at, d->items[at / 2]);
	place(d, at, item);
}

static void sift_down(struct due *d, uint32_t at, struct due_item item)
{
	for (uint32_t child; (child = at * 2) <= d->count; at = child) {
		if (child < d->count && d->items[child + 1].ms < d->items[child].ms)
			child++;
		if (item.ms <= d->items[child].ms)
			break;
		place(d, at, d->items[child]);
	}
	place(d, at, item);
}

static void settle_at(struct due *d, uint32_t at, struct due_item item)
{
	if (at > 1 && item.ms < d->items[at / 2].ms)
		sift_up(d, at, item);
	else
		sift_down(d, at, item);
}

static void take_out(struct due *d, struct extra *x)
{
	uint32_t at = x->place;
	struct due_item last = d->items[d->count--];
	x->place = 0;
	if (last.extra != x)
		settle_at(d, at, last);
}

static size_t items_cost(uint32_t room)
{
	return room == 0 ? 0 : mem_cost((room + (size_t)1) * sizeof(struct due_item));
}

static void count_room(struct stripe *stripe, uint32_t room)
{
	stripe_memory(stripe, (int64_t)items_cost(room) - (int64_t)items_cost(stripe->due.room));
	stripe->due.room = room;
}

bool due_promise(struct stripe *stripe)
{
	struct due *d = &stripe->due;
	if (d->count + d->promised < d->room) {
		d->promised++;
		return true;
	}
	uint32_t room = d->room < ROOM_LEAST ? ROOM_LEAST : d->room + d->room / 2;
	struct due_item *items = mem_resize(d->items, (room + (size_t)1) * sizeof(*items));
	if (items == NULL)
		return false;
	d->items = items;
	count_room(stripe, room);
	d->promised++;
	return true;
}

void due_set(struct stripe *stripe, struct extra *x, int64_t ms)
{
	struct due *d = &stripe->due;
	if (ms == DUE_NONE) {
		if (x->place != 0)
			take_out(d, x);
	} else if (x->place != 0) {
		settle_at(d, x->place, (struct due_item){ms, x});
	} else {
		assert(d->count < d->room);
		d->count++;
		sift_up(d, d->count, (struct due_item){ms, x});
	}
}

int64_t due_earliest(const struct due *d)
{
	return d->count == 0 ? DUE_NONE : d->items[1].ms;
}

static void give_back(struct stripe *stripe)
{
	struct due *d = &stripe->due;
	if (d->count == 0) {
		mem_free(d->items);
		d->items = NULL;
		count_room(stripe, 0);
	} else if (d->room > ROOM_LEAST && d->count < d->room / 4) {
		uint32_t room = d->room / 2;
		struct due_item *items = mem_resize(d->items, (room + (size_t)1) * sizeof(*items));
		if (items == NULL)
			return;
		d->items = items;
		count_room(stripe, room);
	}
}

void due_settle(struct stripe *stripe)
{
	struct due *d = &stripe->due;
	d->promised = 0;
	if (d->room > 0)
		give_back(stripe);
	int64_t earliest = due_earliest(d), before = atomic_load(&stripe->earliest);
	if (earliest == before)
		return;
	atomic_store(&stripe->earliest, earliest);
	if (earliest < before)
		store_wake_at(stripe->store, earliest);
}
