#include "load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/num.h"

static const char NUMBER_HERE[] = "@@@@@@@@";

static uint64_t
next_random(struct load *l)
{
	/* xorshift64: the same sequence for every server. */
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return l->random % l->opt.random_max + 1;
}

static void
append_message(const struct load *l, uint64_t number, struct buf *to)
{
	const char *at = l->opt.message.p;
	size_t left = l->opt.message.len;
	char digits[sizeof(NUMBER_HERE) + 16];
	const char *mark;

	snprintf(digits, sizeof(digits), "%08llu",
	    (unsigned long long)number % 100000000);
	while ((mark = memmem(at, left, NUMBER_HERE, 8)) != NULL) {
		load_must(buf_append(to, at, (size_t)(mark - at)));
		load_must(buf_append_str(to, digits));
		left -= (size_t)(mark - at) + 8;
		at = mark + 8;
	}
	load_must(buf_append(to, at, left));
}

void
script_expand(
    struct load *l, const struct conn *c, const char *step, struct buf *to)
{
	const char *p;
	uint64_t value;

	for (p = step; *p != '\0'; p++) {
		if (p[0] != '{' || p[1] == '\0' || p[2] != '}') {
			load_must(buf_append_byte(to, *p));
			continue;
		}
		p += 2;
		switch (p[-1]) {
		case 'n':
			value = c->op;
			break;
		case 'u':
			value = c->user;
			break;
		case 'r':
			value = next_random(l);
			break;
		case 'l':
			value = l->opt.message.len;
			break;
		case 'm':
			append_message(l, c->op, to);
			continue;
		default:
			load_die("unknown {%c} in a step", p[-1]);
		}
		load_must(buf_printf(to, "%llu", (unsigned long long)value));
	}
}

static _Noreturn void
usage(const char *name)
{
	fprintf(stderr,
	    "usage: %s [-tk] [-h host] [-p port] [-c clients] [-n ops]\n"
	    "    [-d depth] [-F first-user] [-U users] [-R random-max]\n"
	    "    [-x rows] [-m message-file]\n"
	    "    [-b before]… [-o operation]… [-a after]…\n",
	    name);
	exit(2);
}

static uint64_t
number(const char *text, const char *name)
{
	uint64_t value;

	if (num_parse(slice_str(text), UINT32_MAX, &value) == -1)
		usage(name);
	return value;
}

static void
add_step(struct load_script *s, const char *text)
{
	if (s->count == LOAD_STEPS_MAX)
		load_die("too many steps");
	s->steps[s->count++] = text;
}

/* The file is mapped for the rest of the run. */
static struct slice
map_message(const char *path)
{
	struct slice s = SLICE_EMPTY;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size == 0)
		load_die("cannot read %s", path);
	s.len = (size_t)st.st_size;
	s.p = mmap(NULL, s.len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (s.p == MAP_FAILED)
		load_die("cannot map %s", path);
	close(fd);
	return s;
}

static void
check(const struct load_options *o, const char *name)
{
	if (o->port == NULL || o->part[PART_OPS].count == 0 ||
	    o->clients == 0 || o->ops == 0 || o->users == 0 || o->depth == 0 ||
	    o->depth > LOAD_DEPTH_MAX || o->random_max == 0)
		usage(name);
	if (o->depth > 1 && o->part[PART_OPS].count > 1)
		load_die("with -d an operation is one command");
}

void
script_options(struct load_options *o, int argc, char **argv, const char *name)
{
	int c;

	*o = (struct load_options){ .host = "127.0.0.1",
		.clients = 1,
		.depth = 1,
		.ops = 1,
		.user_first = 1,
		.users = 1,
		.random_max = 1 };
	while ((c = getopt(argc, argv, "tkh:p:c:n:d:F:U:R:x:m:b:o:a:")) != -1) {
		switch (c) {
		/* clang-format off */
		case 't': o->tls = true; break;
		case 'k': o->keep = true; break;
		case 'h': o->host = optarg; break;
		case 'p': o->port = optarg; break;
		case 'c': o->clients = (unsigned)number(optarg, name); break;
		case 'n': o->ops = number(optarg, name); break;
		case 'd': o->depth = (unsigned)number(optarg, name); break;
		case 'F': o->user_first = number(optarg, name); break;
		case 'U': o->users = number(optarg, name); break;
		case 'R': o->random_max = number(optarg, name); break;
		case 'x': o->rows = number(optarg, name); break;
		case 'm': o->message = map_message(optarg); break;
		case 'b': add_step(&o->part[PART_BEFORE], optarg); break;
		case 'o': add_step(&o->part[PART_OPS], optarg); break;
		case 'a': add_step(&o->part[PART_AFTER], optarg); break;
		default: usage(name);
			/* clang-format on */
		}
	}
	check(o, name);
}
