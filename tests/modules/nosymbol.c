// A shared object that is no module.

#include "wherry/module.h"

WHERRY_EXPORT int nosymbol(void);
int nosymbol(void)
{
	return 1;
}
