#ifndef COMMON_BASE_ASCII_H
#define COMMON_BASE_ASCII_H

#include <stdbool.h>

/* Character classes of ASCII, the same in every locale and for any byte. */

static inline char
ascii_lower(char c)
{
	return (c >= 'A' && c <= 'Z') ? (char)(c | 0x20) : c;
}

static inline char
ascii_upper(char c)
{
	return (c >= 'a' && c <= 'z') ? (char)(c & ~0x20) : c;
}

static inline bool
ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_alpha(char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static inline bool
ascii_alnum(char c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

/* Printable, the space included. */
static inline bool
ascii_print(char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* Value of a hexadecimal digit, or -1. */
static inline int
ascii_hex(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
