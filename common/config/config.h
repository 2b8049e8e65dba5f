#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/config/keys.h"

/*
 * config - the one configuration file, parsed, checked and with defaults.
 * The keys stand in keys.h, which also makes the manual's table.
 */
struct config_list {
	char **items; /* owned */
	size_t count;
};

/* dns-zone "name" { address = {...} } */
struct config_zone {
	char *name;
	struct config_list address; /* "127.0.0.1@5353" */
};

/* destination "name" { ... }: the scheduler's limits for one next hop */
struct config_destination {
	char *name;
	int64_t concurrency;  /* 0: the default */
	int64_t rate_per_min; /* 0: no limit */
	int64_t retry_min_s;  /* 0: the default */
	int64_t retry_max_s;
	int64_t lifetime_s;
};

#define CONFIG_F_STR(key, field, def, help)            char *field;
#define CONFIG_F_LIST(key, field, def, help)           struct config_list field;
#define CONFIG_F_BOOL(key, field, def, help)           bool field;
#define CONFIG_F_INT(key, field, def, min, max, help)  int64_t field;
#define CONFIG_F_SIZE(key, field, def, min, max, help) int64_t field;
#define CONFIG_F_TIME(key, field, def, min, max, help) int64_t field;

struct config {
	CONFIG_KEYS(CONFIG_F_STR, CONFIG_F_LIST, CONFIG_F_BOOL, CONFIG_F_INT,
	    CONFIG_F_SIZE, CONFIG_F_TIME)
	struct config_zone *zones;
	size_t zone_count;
	struct config_destination *destinations;
	size_t destination_count;
};

/*
 * Parse and check a file. Every problem is appended to problems as
 * "file:line: what is wrong and what to do\n", all of them at once, as far
 * as the grammar lets reading go on. Returns the configuration, or NULL
 * when there was any problem.
 */
struct config *config_read(const char *path, struct buf *problems) MUST_USE;

/*
 * For `wemmick check`, which goes on to look at files: the configuration
 * also when there were problems (wrong values are their defaults then);
 * NULL only when the grammar broke.
 */
struct config *config_read_anyway(
    const char *path, struct buf *problems) MUST_USE;

/* The same from text with no includes left: what master hands out. */
struct config *config_parse(struct slice text, struct buf *problems) MUST_USE;

/* The configuration as text for config_parse(), includes resolved. */
int config_print(const struct config *c, struct buf *text) MUST_USE;

void config_free(struct config *c);

/* Is value in the list, ASCII letters without case? */
bool config_list_has(const struct config_list *l, struct slice value);

/*
 * Is the client address (text, IPv4 or IPv6, mapped IPv4 taken as IPv4) in
 * one of the networks "192.0.2.0/24", "2001:db8::/32", "127.0.0.1"?
 */
bool config_networks_have(const struct config_list *l, const char *address);

/* A path beneath the state directory: xasprintf("%s/%s"), caller frees. */
char *config_state_path(const struct config *c, const char *below) MUST_USE;

#endif
