#include "imapd/session_state.h"

enum legal {
	ANY = 0x1,      /* always, after login */
	SELECTED = 0x2, /* only with a mailbox selected */
	LOGIN = 0x4,    /* only before login */
	UID = 0x8,      /* also as UID … */
	WRITE = 0x10,   /* not in a mailbox opened by EXAMINE */
	KEEP = 0x20,    /* sequence numbers must stay: tell no EXPUNGE */
	SILENT = 0x40,  /* tells what changed by itself, or not at all */
};

struct command {
	const char *name;
	unsigned flags;
	command_run *run;
};

/* clang-format off */
static const struct command commands[] = {
	{ "APPEND",       ANY,                           cmd_append },
	{ "AUTHENTICATE", LOGIN,                         NULL },
	{ "CAPABILITY",   ANY,                           cmd_capability },
	{ "CHECK",        SELECTED,                      cmd_check },
	{ "CLOSE",        SELECTED | SILENT,             cmd_close },
	{ "COPY",         SELECTED | UID,                cmd_copy },
	{ "CREATE",       ANY,                           cmd_create },
	{ "DELETE",       ANY,                           cmd_delete },
	{ "ENABLE",       ANY,                           cmd_enable },
	{ "EXAMINE",      ANY | SILENT,                  cmd_examine },
	{ "EXPUNGE",      SELECTED | WRITE,              cmd_expunge },
	{ "FETCH",        SELECTED | UID | KEEP,         cmd_fetch },
	{ "ID",           ANY,                           cmd_id },
	{ "IDLE",         ANY | SILENT,                  cmd_idle },
	{ "LIST",         ANY,                           cmd_list },
	{ "LOGIN",        LOGIN,                         NULL },
	{ "LOGOUT",       ANY | SILENT,                  cmd_logout },
	{ "LSUB",         ANY,                           cmd_lsub },
	{ "MOVE",         SELECTED | UID | WRITE,        cmd_move },
	{ "NAMESPACE",    ANY,                           cmd_namespace },
	{ "NOOP",         ANY,                           cmd_noop },
	{ "RENAME",       ANY,                           cmd_rename },
	{ "SEARCH",       SELECTED | UID | KEEP,         cmd_search },
	{ "SELECT",       ANY | SILENT,                  cmd_select },
	{ "STARTTLS",     LOGIN,                         NULL },
	{ "STATUS",       ANY,                           cmd_status },
	{ "STORE",        SELECTED | UID | WRITE | KEEP, cmd_store },
	{ "SUBSCRIBE",    ANY,                           cmd_subscribe },
	{ "UNSELECT",     SELECTED | SILENT,             cmd_unselect },
	{ "UNSUBSCRIBE",  ANY,                           cmd_unsubscribe },
};

/* EXPUNGE takes a set only as UID EXPUNGE (RFC 4315 §2.1). */
static const struct command uid_expunge =
	{ "EXPUNGE", SELECTED | UID | WRITE, cmd_expunge };
/* clang-format on */

const char session_capabilities[] =
    "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN"
    " SPECIAL-USE MOVE";

static const struct command *
find_command(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (slice_ieq(name, slice_str(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* The command's name, "UID" before it read over. */
static const struct command *
read_command(struct command_in *in)
{
	const struct command *c;
	struct slice name;

	if (!parse_atom(&in->p, &name))
		return NULL;
	in->uid = slice_ieq(name, SLICE("UID"));
	if (in->uid && (!parse_space(&in->p) || !parse_atom(&in->p, &name)))
		return NULL;
	c = find_command(name);
	if (c == NULL || (in->uid && (c->flags & UID) == 0)) {
		if (in->uid && slice_ieq(name, SLICE("EXPUNGE")))
			return &uid_expunge;
		(void)parse_fail(&in->p, "Unknown command");
		return NULL;
	}
	return c;
}

/* May it run now? Otherwise it is answered. */
static bool
is_legal(struct session *s, const struct command *c)
{
	if ((c->flags & LOGIN) != 0) {
		answer_bad(s, "Already logged in");
		return false;
	}
	if ((c->flags & SELECTED) != 0 && s->mailbox == NULL) {
		answer_bad(s, "No mailbox selected");
		return false;
	}
	if ((c->flags & WRITE) != 0 && mailbox_readonly(s->mailbox)) {
		answer_no(s, "READ-ONLY", "The mailbox is open read-only");
		return false;
	}
	return true;
}

static void
run(struct session *s, const struct command *c, struct command_in *in)
{
	/* First: a refusal, too, tells what this command may tell. */
	if ((c->flags & SILENT) != 0)
		s->tell = TELL_NOTHING;
	else if ((c->flags & KEEP) != 0 && !in->uid)
		s->tell = TELL_NO_EXPUNGE;
	else
		s->tell = TELL_ALL;
	if (!is_legal(s, c))
		return;
	c->run(s, in);
	if (!s->answered && !s->gone && !s->ended)
		answer_bad(
		    s, in->p.error == NULL ? "Syntax error" : in->p.error);
}

void
session_command(struct session *s, struct slice text)
{
	struct command_in in = { .uid = false };
	const struct command *c;
	struct slice tag;

	s->answered = false;
	s->tag[0] = '\0';
	parse_init(&in.p, text);
	if (!parse_tag(&in.p, &tag) ||
	    slice_copy(s->tag, sizeof(s->tag), tag) == -1 ||
	    !parse_space(&in.p)) {
		s->tag[0] = '\0';
		answer_bad(s, "Every command begins with a tag");
	} else {
		c = read_command(&in);
		if (c == NULL)
			answer_bad(s, in.p.error);
		else
			run(s, c, &in);
	}
	parse_free(&in.p);
}
