#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include "cli/command.h"

/* The tables of commands, one a file; main.c lists them. */
extern const struct command user_commands[];
extern const struct command map_commands[];
extern const struct command config_commands[];
extern const struct command control_commands[];
extern const struct command queue_commands[];
extern const struct command trace_commands[];

#endif
