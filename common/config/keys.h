#ifndef COMMON_CONFIG_KEYS_H
#define COMMON_CONFIG_KEYS_H

/*
 * Every key of wemmick.conf: one row each. A default of NULL text means
 * "worked out at start" as the help says. Lists are written as one string
 * with spaces here. Sizes in bytes, times in seconds.
 */
/* clang-format off */
#define CONFIG_KEYS(STR, LIST, BOOL, INT, SIZE, TIME)                                  \
	STR("hostname", hostname, "", "name of this host in greetings and Received; default: the system's") \
	STR("postmaster", postmaster, "postmaster", "where mail to <postmaster> and double bounces go") \
	LIST("domains", domains, "", "domains whose mailboxes are here")               \
	LIST("relay-domains", relay_domains, "", "domains taken from anyone and relayed") \
	LIST("networks", networks, "", "clients that may relay without a login")       \
	LIST("cleartext-networks", cleartext_networks, "", "clients that may log in without TLS") \
	\
	STR("state-directory", state_directory, "/var/lib/wemmick", "spool, mail, users") \
	STR("run-directory", run_directory, "/run/wemmick", "control sockets")         \
	STR("table-directory", table_directory, "/etc/wemmick/tables", "lookup tables; their names are relative to it") \
	STR("program-directory", program_directory, "", "the daemons; default: where master is") \
	STR("log", log, "stderr", "stderr, syslog, or a file")                         \
	STR("log-level", log_level, "info", "debug, info, warn or error")              \
	INT("base-uid", base_uid, 0, 0, 2000000000, "number the daemons from here instead of looking up the users wm-*") \
	INT("user-uid-first", user_uid_first, 100000, 1000, 2000000000, "first uid given to mailbox users") \
	INT("user-uid-last", user_uid_last, 165535, 1000, 2000000000, "last uid given to mailbox users") \
	INT("workers", workers, 0, 0, 256, "processes of each kind that uses every CPU; 0: as many as CPUs") \
	\
	LIST("listen-smtp", listen_smtp, "*:25", "address:port, * for all, or nothing") \
	LIST("listen-submission", listen_submission, "*:587", "submission with STARTTLS") \
	LIST("listen-submissions", listen_submissions, "*:465", "submission with TLS from the start") \
	LIST("listen-imap", listen_imap, "*:143", "IMAP with STARTTLS")                \
	LIST("listen-imaps", listen_imaps, "*:993", "IMAP with TLS from the start")    \
	LIST("listen-pop3", listen_pop3, "*:110", "POP3 with STLS")                    \
	LIST("listen-pop3s", listen_pop3s, "*:995", "POP3 with TLS from the start")    \
	STR("tls-certificate", tls_certificate, "", "PEM chain; default: self-signed, made at first start") \
	STR("tls-key", tls_key, "", "PEM private key of the certificate")              \
	\
	SIZE("message-size-limit", message_size_limit, 52428800, 65536, 2147483648, "largest mail taken") \
	SIZE("header-size-limit", header_size_limit, 262144, 4096, 16777216, "largest header of a mail") \
	INT("recipients-limit", recipients_limit, 1000, 100, 50000, "recipients of one mail (RFC 5321 wants 100 at least)") \
	INT("errors-limit", errors_limit, 20, 3, 1000, "bad commands before a client is sent away") \
	INT("connections-limit", connections_limit, 10000, 10, 1000000, "connections of one worker") \
	INT("client-connections-limit", client_connections_limit, 50, 1, 100000, "connections of one client address to one worker") \
	INT("user-sessions-limit", user_sessions_limit, 100, 1, 100000, "IMAP, and POP3, sessions of one user") \
	TIME("idle-timeout", idle_timeout, 300, 10, 86400, "a client that says nothing for so long is sent away") \
	TIME("imap-timeout", imap_timeout, 1860, 60, 86400, "the same for IMAP after login (RFC 3501 wants 30 minutes)") \
	TIME("imap-hibernate", imap_hibernate, 10, 0, 86400, "an IMAP session in IDLE for so long gives its process up until there is news; 0: never") \
	TIME("pop3-timeout", pop3_timeout, 600, 60, 86400, "the same for POP3 (RFC 1939 wants 10 minutes)") \
	INT("received-limit", received_limit, 50, 10, 500, "Received fields in a mail that say it loops") \
	\
	STR("recipient-delimiter", recipient_delimiter, "+", "user+tag; empty: none")  \
	LIST("alias-maps", alias_maps, "", "tables of local aliases: name: address, address") \
	LIST("virtual-alias-maps", virtual_alias_maps, "", "tables address to addresses; @domain catches all") \
	LIST("transport-maps", transport_maps, "", "tables domain to transport: relay:[host]:port, local:, error:text, discard:") \
	\
	STR("relay-host", relay_host, "", "send everything that is not local to [host]:port") \
	STR("relay-host-user", relay_host_user, "", "log in there as")                 \
	STR("relay-host-password-file", relay_host_password_file, "", "with the password in this file") \
	STR("relay-tls", relay_tls, "may", "none, may (use it where offered) or must")  \
	INT("relay-port", relay_port, 25, 1, 65535, "port of mail servers found by MX") \
	TIME("relay-timeout", relay_timeout, 300, 5, 3600, "wait so long for a reply of a mail server") \
	TIME("relay-connect-timeout", relay_connect_timeout, 30, 1, 600, "wait so long for a connection") \
	LIST("relay-ports", relay_ports, "24 25 465 587 2525", "the only ports relay may connect to") \
	\
	LIST("dns-servers", dns_servers, "", "forward to these, address@port; default: ask the root servers") \
	STR("dns-trust-anchor", dns_trust_anchor, "", "file with the DNSSEC trust anchor") \
	\
	TIME("queue-retry-min", queue_retry_min, 60, 1, 86400, "first wait before another try") \
	TIME("queue-retry-max", queue_retry_max, 14400, 1, 604800, "longest wait")     \
	TIME("queue-lifetime", queue_lifetime, 432000, 1, 2592000, "bounce what could not be delivered for so long") \
	TIME("queue-delay-warning", queue_delay_warning, 14400, 0, 2592000, "warn the sender after so long; 0: never") \
	INT("queue-concurrency", queue_concurrency, 20, 1, 10000, "deliveries to one destination at a time") \
	INT("queue-memory-mails", queue_memory_mails, 20000, 100, 10000000, "mails whose content may stay in memory") \
	SIZE("queue-memory", queue_memory, 268435456, 16777216, 68719476736, "bytes of content kept in memory") \
	SIZE("queue-segment-size", queue_segment_size, 67108864, 4194304, 1073741824, "size of a file of the queue's log") \
	SIZE("queue-disk-reserve", queue_disk_reserve, 67108864, 1048576, 1099511627776, "free space under which no new mail is taken") \
	\
	TIME("auth-cache-time", auth_cache_time, 300, 0, 86400, "remember a verified password so long; 0: never") \
	TIME("mailbox-lock-timeout", mailbox_lock_timeout, 30, 1, 300, "wait so long for a session that holds the same mailbox") \
	TIME("expunge-retention", expunge_retention, 0, 0, 31536000, "keep expunged mail so long") \
	SIZE("imap-literal-limit", imap_literal_limit, 67108864, 65536, 2147483648, "largest literal of a client (APPEND)") \
	STR("clock-shift-file", clock_shift_file, "", "tests only: seconds added to every clock, and to the wall clock alone")
/* clang-format on */

#endif
