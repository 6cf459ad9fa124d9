// proxy.h: a thread that accepts, and two for each connection.

#include "proxy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "embed.h"

struct proxy {
	char url[128], path[108], target[108];
	int listener;
	pthread_t thread;
	pthread_mutex_t lock; // guards what follows
	pthread_cond_t gone;
	unsigned running; // threads of connections
	size_t next[PROXY_WAYS], random;
	uint64_t state;
	atomic_uint cuts;
};

struct pair {
	struct proxy *proxy;
	int fd[PROXY_WAYS]; // of the broker, of the client
	size_t left[PROXY_WAYS];
	bool slow;
	atomic_uint users;
};

struct flow {
	struct pair *pair;
	int way;
};

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void end_pair(struct pair *p)
{
	shutdown(p->fd[0], SHUT_RDWR);
	shutdown(p->fd[1], SHUT_RDWR);
}

static bool send_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

// Both ways go on until one of them ends.
static void forward(struct pair *p, int way)
{
	char bytes[16384];
	int from = p->fd[1 - way], to = p->fd[way];
	size_t *left = &p->left[way];
	while (*left > 0) {
		size_t most = *left < sizeof(bytes) ? *left : sizeof(bytes);
		ssize_t n = recv(from, bytes, p->slow && most > 512 ? 512 : most, 0);
		if (n <= 0 || !send_all(to, bytes, (size_t)n))
			break;
		*left -= *left == SIZE_MAX ? 0 : (size_t)n;
		if (p->slow)
			nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
	if (*left == 0)
		atomic_fetch_add(&p->proxy->cuts, 1);
	end_pair(p);
}

static void *run_flow(void *arg)
{
	struct flow f = *(struct flow *)arg;
	struct proxy *x = f.pair->proxy;
	free(arg);
	forward(f.pair, f.way);
	if (atomic_fetch_sub(&f.pair->users, 1) == 1) {
		close(f.pair->fd[0]);
		close(f.pair->fd[1]);
		free(f.pair);
	}
	pthread_mutex_lock(&x->lock);
	if (--x->running == 0)
		pthread_cond_broadcast(&x->gone);
	pthread_mutex_unlock(&x->lock);
	return NULL;
}

static void start_flow(struct pair *p, int way)
{
	struct flow *f = malloc(sizeof(*f));
	pthread_attr_t detached;
	pthread_t thread;
	*f = (struct flow){p, way};
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &detached, run_flow, f) != 0)
		abort();
	pthread_attr_destroy(&detached);
}

static uint64_t draw(struct proxy *x, uint64_t below)
{
	x->state ^= x->state << 13;
	x->state ^= x->state >> 7;
	x->state ^= x->state << 17;
	return x->state % below;
}

static void plan(struct proxy *x, struct pair *p)
{
	pthread_mutex_lock(&x->lock);
	for (int way = 0; way < PROXY_WAYS; way++) {
		p->left[way] = x->next[way];
		x->next[way] = SIZE_MAX;
	}
	if (x->random > 0) {
		p->left[draw(x, 2)] = draw(x, x->random) + 1;
		p->slow = draw(x, 2) == 0;
	}
	x->running += 2;
	pthread_mutex_unlock(&x->lock);
}

// A connection to nobody ends at once: the broker is away.
static void *accept_all(void *arg)
{
	struct proxy *x = arg;
	for (int client; (client = accept(x->listener, NULL, NULL)) >= 0;) {
		int broker = connect_unix(x->target);
		if (broker < 0) {
			close(client);
			continue;
		}
		struct pair *p = calloc(1, sizeof(*p));
		p->proxy = x;
		p->fd[PROXY_TO_BROKER] = broker;
		p->fd[PROXY_TO_CLIENT] = client;
		atomic_store(&p->users, 2);
		plan(x, p);
		start_flow(p, PROXY_TO_BROKER);
		start_flow(p, PROXY_TO_CLIENT);
	}
	return NULL;
}

struct proxy *proxy_open(const char *dir, const char *broker_url)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct proxy *x = calloc(1, sizeof(*x));
	assert_non_null(x);
	snprintf(x->path, sizeof(x->path), "%s/p", dir);
	snprintf(x->url, sizeof(x->url), "ipc://%s", x->path);
	snprintf(x->target, sizeof(x->target), "%s", broker_url + strlen("ipc://"));
	x->next[0] = x->next[1] = SIZE_MAX;
	x->state = 88172645463325252U;
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->gone, NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", x->path);
	x->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(x->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(x->listener, 64), 0);
	assert_int_equal(pthread_create(&x->thread, NULL, accept_all, x), 0);
	return x;
}

void proxy_close(struct proxy *x)
{
	shutdown(x->listener, SHUT_RDWR);
	pthread_join(x->thread, NULL);
	close(x->listener);
	pthread_mutex_lock(&x->lock);
	while (x->running > 0)
		pthread_cond_wait(&x->gone, &x->lock);
	pthread_mutex_unlock(&x->lock);
	unlink(x->path);
	pthread_cond_destroy(&x->gone);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

const char *proxy_url(const struct proxy *x)
{
	return x->url;
}

void proxy_cut_next(struct proxy *x, int way, size_t bytes)
{
	pthread_mutex_lock(&x->lock);
	x->next[way] = bytes;
	pthread_mutex_unlock(&x->lock);
}

void proxy_cut_random(struct proxy *x, size_t most)
{
	pthread_mutex_lock(&x->lock);
	x->random = most;
	pthread_mutex_unlock(&x->lock);
}

unsigned proxy_cuts(struct proxy *x)
{
	return atomic_load(&x->cuts);
}
