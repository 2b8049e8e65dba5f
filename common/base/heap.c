#include "common/base/heap.h"

#include <stdlib.h>

#include "common/base/mem.h"

static void
put_at(struct heap *h, size_t i, struct heap_node *n)
{
	h->nodes[i] = n;
	n->place = i + 1;
}

static void
sift_up(struct heap *h, size_t i, struct heap_node *n)
{
	while (i > 0 && h->nodes[(i - 1) / 2]->due > n->due) {
		put_at(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put_at(h, i, n);
}

static void
sift_down(struct heap *h, size_t i, struct heap_node *n)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->count)
			break;
		if (child + 1 < h->count &&
		    h->nodes[child + 1]->due < h->nodes[child]->due)
			child++;
		if (h->nodes[child]->due >= n->due)
			break;
		put_at(h, i, h->nodes[child]);
		i = child;
	}
	put_at(h, i, n);
}

static void
settle(struct heap *h, size_t i, struct heap_node *n)
{
	if (i > 0 && h->nodes[(i - 1) / 2]->due > n->due)
		sift_up(h, i, n);
	else
		sift_down(h, i, n);
}

void
heap_set(struct heap *h, struct heap_node *n, int64_t due)
{
	n->due = due;
	if (n->place == 0) {
		if (h->count == h->cap) {
			h->cap = h->cap == 0 ? 64 : h->cap * 2;
			h->nodes = xreallocarray(
			    h->nodes, h->cap, sizeof(struct heap_node *));
		}
		h->count++;
		sift_up(h, h->count - 1, n);
		return;
	}
	settle(h, n->place - 1, n);
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
	size_t i = n->place;
	struct heap_node *last;

	if (i == 0)
		return;
	n->place = 0;
	last = h->nodes[--h->count];
	if (last != n)
		settle(h, i - 1, last);
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->count == 0 ? NULL : h->nodes[0];
}

void
heap_free(struct heap *h)
{
	free(h->nodes);
	*h = (struct heap)HEAP_INIT;
}
