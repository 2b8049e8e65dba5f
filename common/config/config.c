#include "common/config/config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/config/check.h"

#define CONFIG_TEXT_MAX ((size_t)64 * 1024 * 1024)

/*
 * libconfuse stops at its first error; to name all problems at once, the
 * text is read again and again, each time with the unknown key it stumbled
 * over declared as a list, and values are judged by callbacks that record
 * and go on.
 */
#define UNKNOWN_MAX 50

enum kind { KIND_STR, KIND_LIST, KIND_BOOL, KIND_INT, KIND_SIZE, KIND_TIME };

struct key {
	const char *name;
	enum kind kind;
	const char *text; /* default of STR and LIST */
	int64_t number;   /* default of the others */
	int64_t min;
	int64_t max;
};

/* clang-format off */
#define KEY_STR(key, field, def, help)            { key, KIND_STR, def, 0, 0, 0 },
#define KEY_LIST(key, field, def, help)           { key, KIND_LIST, def, 0, 0, 0 },
#define KEY_BOOL(key, field, def, help)           { key, KIND_BOOL, NULL, def, 0, 1 },
#define KEY_INT(key, field, def, min, max, help)  { key, KIND_INT, NULL, def, min, max },
#define KEY_SIZE(key, field, def, min, max, help) { key, KIND_SIZE, NULL, def, min, max },
#define KEY_TIME(key, field, def, min, max, help) { key, KIND_TIME, NULL, def, min, max },
/* clang-format on */

static const struct key keys[] = { CONFIG_KEYS(
    KEY_STR, KEY_LIST, KEY_BOOL, KEY_INT, KEY_SIZE, KEY_TIME) };

/* Keys of a destination section, in the order of its struct. */
static const struct key destination_keys[] = {
	{ "concurrency", KIND_INT, NULL, 0, 0, 10000 },
	{ "rate", KIND_INT, NULL, 0, 0, 1000000 },
	{ "retry-min", KIND_TIME, NULL, 0, 0, 86400 },
	{ "retry-max", KIND_TIME, NULL, 0, 0, 604800 },
	{ "lifetime", KIND_TIME, NULL, 0, 0, 2592000 },
};

/* One reading; libconfuse's callbacks know no argument of ours. */
static struct {
	struct buf *problems;
	char *unknown[UNKNOWN_MAX];
	size_t unknown_count;
	bool again; /* a new unknown key was found */
	bool fatal; /* the grammar broke */
	bool first; /* values are judged in the first full reading only */
} reading;

static void problem(const cfg_t *cfg, const char *fmt, ...) PRINTF(2, 3);

/* A list is judged again with each of its values: said once is enough. */
static bool
said_before(size_t from)
{
	const struct buf *b = reading.problems;
	struct slice said = slice_of(b->data, from);
	struct slice new = slice_sub(buf_slice(b), from, b->len);

	return from > 0 &&
	       new.p != NULL &&memmem(said.p, said.len, new.p, new.len) != NULL;
}

static void
problem(const cfg_t *cfg, const char *fmt, ...)
{
	size_t before = reading.problems->len;
	va_list ap;
	int rc;

	rc = buf_printf(reading.problems,
	    "%s:%d: ", cfg->filename == NULL ? "configuration" : cfg->filename,
	    cfg->line);
	va_start(ap, fmt);
	rc |= buf_vprintf(reading.problems, fmt, ap);
	va_end(ap);
	rc |= buf_append_byte(reading.problems, '\n');
	if (rc != 0)
		reading.fatal = true; /* more problems than room: enough */
	else if (said_before(before))
		buf_truncate(reading.problems, before);
}

PRINTF(2, 0)
static void
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	va_list copy;

	va_copy(copy, ap);
	if (strstr(fmt, "no such option") != NULL &&
	    reading.unknown_count < UNKNOWN_MAX) {
		const char *name = va_arg(copy, const char *);

		reading.unknown[reading.unknown_count++] = xstrdup(name);
		reading.again = true;
		problem(cfg,
		    "no such key '%s'; `wemmick config keys` lists them", name);
	} else {
		char text[400];

		reading.fatal = true;
		(void)vsnprintf(text, sizeof(text), fmt, ap);
		problem(cfg, "%s", text);
	}
	va_end(copy);
}

static const struct key *
key_find(const struct key *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* The number a text of this kind stands for. */
static int
number_of(const struct key *k, const char *text, int64_t *v)
{
	struct slice s = slice_str(text);
	uint64_t u = 0;
	int rc;

	if (k->kind == KIND_SIZE)
		rc = num_parse_size(s, (uint64_t)k->max, &u);
	else if (k->kind == KIND_TIME)
		rc = num_parse_time(s, (uint64_t)k->max, &u);
	else
		rc = num_parse(s, (uint64_t)k->max, &u);
	if (rc == -1)
		return -1;
	*v = (int64_t)u;
	if (*v < k->min) {
		errno = ERANGE;
		return -1;
	}
	return 0;
}

static void
judge_number(cfg_t *cfg, const struct key *k, const char *text)
{
	static const char *const forms[] = { [KIND_INT] = "a number",
		[KIND_SIZE] = "a size such as 50M",
		[KIND_TIME] = "a time such as 30s, 5m or 4h" };
	int64_t v;

	if (number_of(k, text, &v) == 0)
		return;
	if (errno == EINVAL)
		problem(cfg, "%s wants %s, not '%s'", k->name, forms[k->kind],
		    text);
	else
		problem(cfg, "%s must lie between %lld and %lld, not '%s'",
		    k->name, (long long)k->min, (long long)k->max, text);
}

/* Called by libconfuse for every key it has read a value of. */
static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct key *k = key_find(keys, ARRAY_LEN(keys), opt->name);
	char why[256];

	if (!reading.first)
		return 0;
	if (k == NULL)
		k = key_find(
		    destination_keys, ARRAY_LEN(destination_keys), opt->name);
	if (k == NULL)
		return 0;
	if (k->kind >= KIND_INT) {
		judge_number(cfg, k, cfg_opt_getnstr(opt, 0));
		return 0;
	}
	if (k->kind != KIND_STR && k->kind != KIND_LIST)
		return 0;
	for (unsigned i = 0; i < cfg_opt_size(opt); i++)
		if (!check_value(
			k->name, cfg_opt_getnstr(opt, i), why, sizeof(why)))
			problem(cfg, "%s: %s", k->name, why);
	return 0;
}

static cfg_opt_t
opt_of(const struct key *k)
{
	cfg_opt_t list = CFG_STR_LIST(k->name, NULL, CFGF_NODEFAULT);
	cfg_opt_t flag =
	    CFG_BOOL(k->name, k->number != 0 ? cfg_true : cfg_false, CFGF_NONE);
	cfg_opt_t text = CFG_STR(k->name, NULL, CFGF_NODEFAULT);

	if (k->kind == KIND_LIST)
		return list;
	return k->kind == KIND_BOOL ? flag : text;
}

static cfg_opt_t
unknown_opt(const char *name)
{
	cfg_opt_t o = CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);

	return o;
}

/* Keys, unknown names so far, and the end; the caller frees. */
static cfg_opt_t *
section_opts(const struct key *table, size_t n)
{
	cfg_opt_t end = CFG_END();
	cfg_opt_t *opts = xcalloc(n + reading.unknown_count + 1, sizeof(*opts));
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		opts[at++] = opt_of(&table[i]);
	for (size_t i = 0; i < reading.unknown_count; i++)
		opts[at++] = unknown_opt(reading.unknown[i]);
	opts[at] = end;
	return opts;
}

/* As parse_file(): what cannot be read is not left to the parser. */
static int
on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	struct buf text = BUF_INIT(CONFIG_TEXT_MAX);
	int rc = 0;

	if (argc == 1 && file_read_at(AT_FDCWD, argv[0], &text) == -1) {
		cfg_error(
		    cfg, "%s: cannot be read: %s", argv[0], strerror(errno));
		rc = 1;
	}
	buf_free(&text);
	return rc == 0 ? cfg_include(cfg, opt, argc, argv) : rc;
}

struct option_set {
	cfg_opt_t *top;
	cfg_opt_t *zone;
	cfg_opt_t *destination;
};

static struct option_set
options_new(void)
{
	static const struct key zone_keys[] = { { "address", KIND_LIST, NULL, 0,
	    0, 0 } };
	struct option_set o;
	cfg_opt_t end = CFG_END();
	cfg_opt_t include = CFG_FUNC("include", &on_include);
	size_t n = ARRAY_LEN(keys) + reading.unknown_count;

	o.zone = section_opts(zone_keys, ARRAY_LEN(zone_keys));
	o.destination =
	    section_opts(destination_keys, ARRAY_LEN(destination_keys));
	o.top = section_opts(keys, ARRAY_LEN(keys));
	o.top = xreallocarray(o.top, n + 4, sizeof(*o.top));
	{
		cfg_opt_t zone =
		    CFG_SEC("dns-zone", o.zone, CFGF_MULTI | CFGF_TITLE);
		cfg_opt_t destination = CFG_SEC(
		    "destination", o.destination, CFGF_MULTI | CFGF_TITLE);

		o.top[n] = zone;
		o.top[n + 1] = destination;
	}
	o.top[n + 2] = include;
	o.top[n + 3] = end;
	return o;
}

static void
options_free(struct option_set *o)
{
	free(o->top);
	free(o->zone);
	free(o->destination);
}

static void
set_callbacks(cfg_t *cfg)
{
	char path[100];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		(void)cfg_set_validate_func(cfg, keys[i].name, on_value);
	for (size_t i = 0; i < ARRAY_LEN(destination_keys); i++) {
		(void)snprintf(path, sizeof(path), "destination|%s",
		    destination_keys[i].name);
		(void)cfg_set_validate_func(cfg, path, on_value);
	}
}

static struct config_list
list_split(const char *text)
{
	struct config_list l = { NULL, 0 };
	struct slice rest = slice_str(text);
	struct slice word;

	while (rest.len > 0) {
		rest = slice_cut(rest, ' ', &word);
		if (word.len == 0)
			continue;
		l.items = xreallocarray(l.items, l.count + 1, sizeof(char *));
		l.items[l.count++] = slice_dup(word);
	}
	return l;
}

static struct config_list
list_take(cfg_t *cfg, const struct key *k)
{
	struct config_list l = { NULL, 0 };
	cfg_opt_t *opt = cfg_getopt(cfg, k->name);
	unsigned n = cfg_opt_size(opt);

	/* `key = {}` says none; a key that does not stand there, the default */
	if (n == 0 && (opt->flags & CFGF_MODIFIED) == 0)
		return list_split(k->text == NULL ? "" : k->text);
	l.items = xcalloc(n, sizeof(char *));
	for (unsigned i = 0; i < n; i++)
		l.items[l.count++] = xstrdup(cfg_opt_getnstr(opt, i));
	return l;
}

static char *
str_take(cfg_t *cfg, const struct key *k)
{
	const char *s = cfg_getstr(cfg, k->name);

	return xstrdup(s == NULL ? k->text : s);
}

static int64_t
number_take(cfg_t *cfg, const struct key *k)
{
	const char *s = cfg_getstr(cfg, k->name);
	int64_t v = k->number;

	if (s != NULL && number_of(k, s, &v) == -1)
		return k->number; /* judged before */
	return v;
}

static void
take_zones(struct config *c, cfg_t *cfg)
{
	static const struct key address = { "address", KIND_LIST, NULL, 0, 0,
		0 };

	c->zone_count = cfg_size(cfg, "dns-zone");
	c->zones = xcalloc(c->zone_count, sizeof(*c->zones));
	for (unsigned i = 0; i < c->zone_count; i++) {
		cfg_t *sec = cfg_getnsec(cfg, "dns-zone", i);

		c->zones[i].name = xstrdup(cfg_title(sec));
		c->zones[i].address = list_take(sec, &address);
	}
}

static void
take_destinations(struct config *c, cfg_t *cfg)
{
	c->destination_count = cfg_size(cfg, "destination");
	c->destinations =
	    xcalloc(c->destination_count, sizeof(*c->destinations));
	for (unsigned i = 0; i < c->destination_count; i++) {
		cfg_t *sec = cfg_getnsec(cfg, "destination", i);
		struct config_destination *d = &c->destinations[i];

		d->name = xstrdup(cfg_title(sec));
		d->concurrency = number_take(sec, &destination_keys[0]);
		d->rate_per_min = number_take(sec, &destination_keys[1]);
		d->retry_min_s = number_take(sec, &destination_keys[2]);
		d->retry_max_s = number_take(sec, &destination_keys[3]);
		d->lifetime_s = number_take(sec, &destination_keys[4]);
	}
}

static void
take_hostname(struct config *c)
{
	char name[256] = "";

	if (c->hostname[0] != '\0')
		return;
	free(c->hostname);
	if (gethostname(name, sizeof(name) - 1) == -1)
		name[0] = '\0';
	c->hostname = xstrdup(name[0] == '\0' ? "localhost" : name);
}

static struct config *
take(cfg_t *cfg)
{
	struct config *c = xcalloc(1, sizeof(*c));
	const struct key *k = keys;

/* clang-format off */
#define TAKE_STR(key, field, def, help)            c->field = str_take(cfg, k++);
#define TAKE_LIST(key, field, def, help)           c->field = list_take(cfg, k++);
#define TAKE_BOOL(key, field, def, help)           c->field = cfg_getbool(cfg, (k++)->name) == cfg_true;
#define TAKE_NUM(key, field, def, min, max, help)  c->field = number_take(cfg, k++);
	CONFIG_KEYS(TAKE_STR, TAKE_LIST, TAKE_BOOL, TAKE_NUM, TAKE_NUM, TAKE_NUM)
	/* clang-format on */
	take_zones(c, cfg);
	take_destinations(c, cfg);
	take_hostname(c);
	return c;
}

/*
 * The parser ends the process where a file cannot be read to its end, so it
 * is read before.
 */
static int
parse_file(cfg_t *cfg, const char *path)
{
	struct buf text = BUF_INIT(CONFIG_TEXT_MAX);
	int rc = CFG_FILE_ERROR;
	FILE *f = NULL;

	if (file_read_at(AT_FDCWD, path, &text) == 0)
		f = fmemopen((char *)(uintptr_t)buf_str(&text), text.len, "r");
	if (f != NULL) {
		cfg->filename = xstrdup(path);
		rc = cfg_parse_fp(cfg, f);
		(void)fclose(f);
	}
	buf_free(&text);
	return rc;
}

/* One pass over the source; NULL when it could not be read to its end. */
static struct config *
read_once(const char *path, const char *text)
{
	struct option_set o = options_new();
	struct config *c = NULL;
	cfg_t *cfg = cfg_init(o.top, CFGF_NONE);
	int rc;

	if (cfg == NULL)
		log_die("event=out-of-memory");
	(void)cfg_set_error_function(cfg, on_error);
	set_callbacks(cfg);
	errno = 0;
	rc = path != NULL ? parse_file(cfg, path) : cfg_parse_buf(cfg, text);
	if (rc == CFG_FILE_ERROR) {
		reading.fatal = true;
		(void)!buf_printf(reading.problems, "%s: cannot be read: %s\n",
		    path == NULL ? "configuration" : path, strerror(errno));
	} else if (rc == CFG_SUCCESS) {
		c = take(cfg);
	}
	(void)cfg_free(cfg);
	options_free(&o);
	return c;
}

static struct config *
read_all(const char *path, const char *text, struct buf *problems)
{
	struct config *c;

	memset(&reading, 0, sizeof(reading));
	reading.problems = problems;
	if (path != NULL)
		check_file(path, problems);
	do {
		reading.again = false;
		reading.first = false;
		c = read_once(path, text);
	} while (c == NULL && reading.again && !reading.fatal);
	if (c != NULL) {
		config_free(c);
		reading.first = true;
		c = read_once(path, text);
	}
	for (size_t i = 0; i < reading.unknown_count; i++)
		free(reading.unknown[i]);
	if (c != NULL)
		check_whole(c, path == NULL ? "configuration" : path, problems);
	return c;
}

/* c, unless problems were found beyond what stood there before. */
static struct config *
without_problems(struct config *c, const struct buf *problems, size_t before)
{
	if (problems->len == before)
		return c;
	config_free(c);
	return NULL;
}

struct config *
config_read(const char *path, struct buf *problems)
{
	size_t before = problems->len;

	return without_problems(
	    read_all(path, NULL, problems), problems, before);
}

struct config *
config_read_anyway(const char *path, struct buf *problems)
{
	return read_all(path, NULL, problems);
}

struct config *
config_parse(struct slice text, struct buf *problems)
{
	size_t before = problems->len;
	char *copy = slice_dup(text);
	struct config *c = read_all(NULL, copy, problems);

	free(copy);
	return without_problems(c, problems, before);
}

static void
list_free(struct config_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
		/* clang-format off */
#define FREE_STR(key, field, def, help)            free(c->field);
#define FREE_LIST(key, field, def, help)           list_free(&c->field);
#define FREE_BOOL(key, field, def, help)
#define FREE_NUM(key, field, def, min, max, help)
	CONFIG_KEYS(FREE_STR, FREE_LIST, FREE_BOOL, FREE_NUM, FREE_NUM, FREE_NUM)
	/* clang-format on */
	for (size_t i = 0; i < c->zone_count; i++) {
		free(c->zones[i].name);
		list_free(&c->zones[i].address);
	}
	for (size_t i = 0; i < c->destination_count; i++)
		free(c->destinations[i].name);
	free(c->zones);
	free(c->destinations);
	free(c);
}
