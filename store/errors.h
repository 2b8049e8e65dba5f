#ifndef STORE_ERRORS_H
#define STORE_ERRORS_H

#include <errno.h>
#include <stdbool.h>

/* Errors of ours, which say nothing about what they struck. */
static inline bool
error_is_ours(int error)
{
	return error == ENOMEM || error == EMFILE || error == ENFILE;
}

/* What nobody asked for can wait until there is room again. */
static inline bool
error_is_room(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

#endif
