// The poller of hot connections: hot.h.

#include "base/clock.h"
#include "base/thread.h"
#include "wherry/status.h"
#include "wire/inside.h"

static const uint64_t TOGETHER_NS = 300 * 1000;
static const uint64_t BRISK_NS = 100 * 1000;

enum {
	POLLS_TOGETHER = 6, // in vain, in a row: then a connection goes back to waiting
	POLLS_ALONE = 64,   // about as long as the turn of a brisk peer takes
	STREAK_LEAST = 32,
	STREAK_MOST = 4096,
	WORTH_TURNS = 256,
};

// One look at each; those that stay.
static struct conn *poll_all(struct conn *conns, struct workspace *ws)
{
	bool alone = conns->hot_next == NULL;
	struct conn *stay = NULL, **end = &stay;
	for (struct conn *c = conns, *next; c != NULL; c = next) {
		next = c->hot_next;
		if (!conn_poll(c, ws, alone && c->brisk ? POLLS_ALONE : POLLS_TOGETHER))
			continue;
		*end = c;
		end = &c->hot_next;
	}
	*end = NULL;
	return stay;
}

static struct conn *join(struct conn *few, struct conn *many)
{
	struct conn **end = &few;
	while (*end != NULL)
		end = &(*end)->hot_next;
	*end = many;
	return few;
}

// Without a workspace nothing can be polled: the connections go back to waiting.
static struct conn *poll_or_release(struct server *server, struct conn *conns)
{
	struct workspace *ws = workspace_take(server);
	if (ws != NULL) {
		conns = poll_all(conns, ws);
		workspace_give(server, ws);
		return conns;
	}
	for (struct conn *next; conns != NULL; conns = next) {
		next = conns->hot_next;
		conn_unpoll(conns);
	}
	return NULL;
}

static void *run(void *arg)
{
	struct hot *hot = arg;
	struct conn *conns = NULL;
	pthread_mutex_lock(&hot->lock);
	while (!hot->stop) {
		conns = join(hot->taken, conns);
		hot->taken = NULL;
		hot->polling = conns != NULL;
		if (conns == NULL) {
			pthread_cond_wait(&hot->wake, &hot->lock);
			continue;
		}
		pthread_mutex_unlock(&hot->lock);
		conns = poll_or_release(hot->server, conns);
		pthread_mutex_lock(&hot->lock);
	}
	pthread_mutex_unlock(&hot->lock);
	return NULL;
}

// Whether polling one connection alone will pay: its peer has answered at once many times in a row.  Each time it did not
// pay, more is asked for, so that a peer that pauses, or a busy machine, costs little.  Under the lock.
static bool is_brisk(struct hot *hot, const struct conn *c, uint64_t gap_ns)
{
	if (hot->last != c || gap_ns > BRISK_NS) {
		hot->streak = 0;
		return false;
	}
	return ++hot->streak > hot->streak_wanted;
}

static void learn(struct hot *hot, unsigned turns)
{
	if (turns >= WORTH_TURNS)
		hot->streak_wanted = STREAK_LEAST;
	else if (hot->streak_wanted < STREAK_MOST)
		hot->streak_wanted *= 2;
}

bool hot_take(struct hot *hot, struct conn *c)
{
	if (!stream_can_try(c->stream))
		return false;
	uint64_t now_ns = clock_ticks_ns(&clock_system);
	pthread_mutex_lock(&hot->lock);
	uint64_t gap_ns = now_ns - hot->last_ns;
	bool together = hot->polling || (hot->last != c && gap_ns < TOGETHER_NS);
	c->brisk = is_brisk(hot, c, gap_ns) && !together;
	bool take = c->brisk || together;
	hot->last = c;
	hot->last_ns = now_ns;
	if (take) {
		c->misses = 0;
		c->again = false;
		c->polled_turns = 0;
		c->hot_next = hot->taken;
		hot->taken = c;
		if (!hot->polling)
			pthread_cond_signal(&hot->wake);
		hot->polling = true;
	}
	pthread_mutex_unlock(&hot->lock);
	return take;
}

void hot_left(struct hot *hot, const struct conn *c)
{
	if (!c->brisk)
		return;
	pthread_mutex_lock(&hot->lock);
	hot->streak = 0;
	learn(hot, c->polled_turns);
	pthread_mutex_unlock(&hot->lock);
}

int hot_open(struct hot *hot, struct server *server)
{
	*hot = (struct hot){.server = server, .streak_wanted = STREAK_LEAST};
	pthread_mutex_init(&hot->lock, NULL);
	pthread_cond_init(&hot->wake, NULL);
	hot->started = thread_start(&hot->thread, run, hot);
	if (hot->started)
		pthread_setname_np(hot->thread, "wherry-hot");
	return hot->started ? WHERRY_OK : WHERRY_EAGAIN;
}

void hot_close(struct hot *hot)
{
	if (hot->started) {
		pthread_mutex_lock(&hot->lock);
		hot->stop = true;
		pthread_cond_signal(&hot->wake);
		pthread_mutex_unlock(&hot->lock);
		pthread_join(hot->thread, NULL);
	}
	pthread_cond_destroy(&hot->wake);
	pthread_mutex_destroy(&hot->lock);
}
