#ifndef COMMON_BASE_HEAP_H
#define COMMON_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * heap - the next of many things to come due. Intrusive: a thing holds a
 * struct heap_node and remembers its own place.
 */
struct heap_node {
	int64_t due;  /* any unit; the smallest comes first */
	size_t place; /* 1-based; 0: in no heap. Written by the heap only */
};

struct heap {
	struct heap_node **nodes; /* owned; the nodes are not */
	size_t count;
	size_t cap;
};

#define HEAP_INIT                                                              \
	{                                                                      \
		.nodes = NULL                                                  \
	}

/* Add, or move when it is in the heap already. */
void heap_set(struct heap *h, struct heap_node *n, int64_t due);

/* Remove; nothing happens when it is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);

/* The one due first, or NULL. */
struct heap_node *heap_first(const struct heap *h);

void heap_free(struct heap *h);

#endif
