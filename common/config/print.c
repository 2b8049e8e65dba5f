/* The configuration as text again, and the questions asked of it. */
#include <arpa/inet.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/config/config.h"
#include "common/config/network.h"

static int
put_quoted(struct buf *b, const char *s)
{
	if (buf_append_byte(b, '"') == -1)
		return -1;
	for (; *s != '\0'; s++) {
		if (strchr("\"\\$", *s) != NULL &&
		    buf_append_byte(b, '\\') == -1)
			return -1;
		if (buf_append_byte(b, *s) == -1)
			return -1;
	}
	return buf_append_byte(b, '"');
}

static int
put_str(struct buf *b, const char *key, const char *value)
{
	if (buf_printf(b, "%s = ", key) == -1 || put_quoted(b, value) == -1)
		return -1;
	return buf_append_byte(b, '\n');
}

static int
put_list(struct buf *b, const char *key, const struct config_list *l)
{
	if (buf_printf(b, "%s = {", key) == -1)
		return -1;
	for (size_t i = 0; i < l->count; i++)
		if ((i > 0 && buf_append_str(b, ", ") == -1) ||
		    put_quoted(b, l->items[i]) == -1)
			return -1;
	return buf_append_str(b, "}\n");
}

static int
put_num(struct buf *b, const char *key, int64_t v)
{
	return buf_printf(b, "%s = %lld\n", key, (long long)v);
}

static int
put_title(struct buf *b, const char *kind, const char *title)
{
	if (buf_printf(b, "%s ", kind) == -1 || put_quoted(b, title) == -1)
		return -1;
	return buf_append_str(b, " {\n");
}

static int
put_sections(struct buf *b, const struct config *c)
{
	for (size_t i = 0; i < c->zone_count; i++)
		if (put_title(b, "dns-zone", c->zones[i].name) == -1 ||
		    put_list(b, "address", &c->zones[i].address) == -1 ||
		    buf_append_str(b, "}\n") == -1)
			return -1;
	for (size_t i = 0; i < c->destination_count; i++) {
		const struct config_destination *d = &c->destinations[i];

		if (put_title(b, "destination", d->name) == -1 ||
		    put_num(b, "concurrency", d->concurrency) == -1 ||
		    put_num(b, "rate", d->rate_per_min) == -1 ||
		    put_num(b, "retry-min", d->retry_min_s) == -1 ||
		    put_num(b, "retry-max", d->retry_max_s) == -1 ||
		    put_num(b, "lifetime", d->lifetime_s) == -1 ||
		    buf_append_str(b, "}\n") == -1)
			return -1;
	}
	return 0;
}

int
config_print(const struct config *c, struct buf *text)
{
	/* clang-format off */
#define PRINT_STR(key, field, def, help)            || put_str(text, key, c->field) == -1
#define PRINT_LIST(key, field, def, help)           || put_list(text, key, &c->field) == -1
#define PRINT_BOOL(key, field, def, help)           || put_str(text, key, c->field ? "true" : "false") == -1
#define PRINT_NUM(key, field, def, min, max, help)  || put_num(text, key, c->field) == -1
	if (0 CONFIG_KEYS(PRINT_STR, PRINT_LIST, PRINT_BOOL, PRINT_NUM, PRINT_NUM, PRINT_NUM))
		return -1;
	/* clang-format on */
	return put_sections(text, c);
}

bool
config_list_has(const struct config_list *l, struct slice value)
{
	for (size_t i = 0; i < l->count; i++)
		if (slice_ieq(slice_str(l->items[i]), value))
			return true;
	return false;
}

bool
config_networks_have(const struct config_list *l, const char *address)
{
	struct network host;
	struct network net;

	if (network_parse(slice_str(address), &host) == -1)
		return false;
	for (size_t i = 0; i < l->count; i++)
		if (network_parse(slice_str(l->items[i]), &net) == 0 &&
		    network_has(&net, &host))
			return true;
	return false;
}

char *
config_state_path(const struct config *c, const char *below)
{
	return xasprintf("%s/%s", c->state_directory, below);
}
