// `wherry __complete -- WORD...`: what the last word can become; for the scripts of `wherry completion`.

#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#define COMPLETE_WORD "__complete"

// The words behind `wherry`, up to the cursor.  A line "WORD<tab>what it is" for each, or ":files".  Within a second; without
// a broker its commands are missing, and nothing is ever complained of.
int complete_run(int argc, char **argv);

#endif
