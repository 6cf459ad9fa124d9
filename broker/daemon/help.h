// What wherryd prints about itself.  Each answers an exit status.

#ifndef DAEMON_HELP_H
#define DAEMON_HELP_H

struct wherry_broker;

int help_print(void);                                               // --help
int help_version(void);                                             // --version
int man_print(void);                                                // --man: wherryd(8)
int man_print_config(const struct wherry_broker *);                 // --man-config: wherry.conf(5)
int commands_print(const struct wherry_broker *, const char *form); // --print-commands: "" "md" "man"
int config_print(const struct wherry_broker *);                     // --print-config
int printed(void); // flushes standard output; EXIT_FAILURE, and why, if it could not be written

#endif
