// Names and texts of the result codes.  Threads: any.

#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "wherry/status.h"

const char *status_name(int status); // "ETYPE"; "EINTERNAL" for what is no error code
const char *status_text(int status);

#endif
