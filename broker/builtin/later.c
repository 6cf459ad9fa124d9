// Work posted to the control thread by a request that waits for it: see later.h.

#include "builtin/later.h"

#include "control.h"
#include "run/call.h"

// Wakes who waits; if that one is gone, nobody will ever ask.
static void finish(wherry_broker *b, struct job *job)
{
	struct jobs *jobs = job->jobs;
	uint64_t id, ticket;
	if (jobs_finished(jobs, job, &id, &ticket) && router_wake(b->router, ticket) != WHERRY_OK)
		jobs_forget(jobs, id);
}

// The control thread.
static void do_job(void *arg)
{
	struct job *job = arg;
	job->result.status = job->work(job);
	finish(job->context, job);
}

static int32_t begin(
    wherry_broker *b, wherry_call *call, const char *what, int (*work)(struct job *), const char *argument)
{
	struct job like = {.session = call->session, .work = work, .context = b}, *job = NULL;
	int32_t status = call_keys.park(call, -1, &like.ticket);
	if (status != WHERRY_OK)
		return status;
	status = jobs_add(modules_jobs(b->modules), &like, argument, &job);
	if (status == WHERRY_ELIMIT)
		return call_failf(call, status, "%d requests of this kind wait already: try again", JOBS_MOST);
	if (status != WHERRY_OK)
		return status;
	call->cookie[0] = job->id;
	status = control_post(b->control, what, do_job, job);
	if (status != WHERRY_OK) {
		jobs_forget(modules_jobs(b->modules), call->cookie[0]);
		uint64_t id, ticket;
		jobs_finished(modules_jobs(b->modules), job, &id, &ticket);
		return status;
	}
	return WHERRY_PARKED;
}

static int32_t give_up(wherry_broker *b, wherry_call *call)
{
	jobs_forget(modules_jobs(b->modules), call->cookie[0]);
	if (call->why == WHERRY_WHY_TIMEOUT)
		return call_fail(call, WHERRY_ETIMEOUT, "it is not done yet and goes on; see sys.jobs");
	return call_fail(call, WHERRY_ESHUTDOWN, "the broker is shutting down");
}

int32_t later(wherry_broker *b, wherry_call *call, const char *what, int (*work)(struct job *), const char *argument,
    struct job_result *result)
{
	if (call->why == WHERRY_WHY_FIRST)
		return begin(b, call, what, work, argument);
	int32_t status = jobs_take(modules_jobs(b->modules), call->cookie[0], result);
	if (status == WHERRY_EAGAIN && (call->why == WHERRY_WHY_WAKE || call->why == WHERRY_WHY_SIGNAL)) {
		uint64_t ticket;
		status = call_keys.park(call, -1, &ticket);
		return status == WHERRY_OK ? WHERRY_PARKED : status;
	}
	if (status != WHERRY_OK)
		return give_up(b, call);
	return result->status == WHERRY_OK ? WHERRY_OK : call_fail(call, result->status, result->text);
}
