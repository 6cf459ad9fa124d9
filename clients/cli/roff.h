// The manual page wherry(1), from the same tables and texts as --help.

#ifndef CLI_ROFF_H
#define CLI_ROFF_H

int roff_print(void); // answers the exit status

#endif
