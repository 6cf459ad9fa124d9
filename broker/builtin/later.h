// Commands whose work must not run where requests run: the first run() posts it to the control thread and parks, the
// second answers.  The client may leave meanwhile: the work is done all the same, and its result forgotten.

#ifndef BUILTIN_LATER_H
#define BUILTIN_LATER_H

#include "broker.h"
#include "module/jobs.h"

// OK: the work is done and *result has what it answered.  PARKED: return it.  An error: return it, its text is set.
// `what` names the work in sys.jobs: a static word.
int32_t later(wherry_broker *, wherry_call *, const char *what, int (*work)(struct job *), const char *argument,
    struct job_result *result);

#endif
