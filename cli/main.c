#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/groups.h"
#include "common/base/log.h"
#include "common/config/config.h"

#define DEFAULT_CONFIG "/etc/wemmick/wemmick.conf"

static const struct command *const tables[] = { config_commands, user_commands,
	map_commands, control_commands, queue_commands, trace_commands, NULL };

int
main(int argc, char **argv)
{
	static struct cli cli = { .config_path = DEFAULT_CONFIG };
	int rc;

	log_open("wemmick", 2, false);
	log_level(LOG_WARN);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	rc = command_dispatch(&cli, tables, argc, argv);
	config_free(cli.config);
	if (fflush(stdout) == EOF && rc == EXIT_DONE)
		rc = cli_fail("cannot write the output");
	return rc;
}
