# make install DESTDIR=… PREFIX=…

PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/wemmick
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/wemmick
COMPLETE   ?= $(PREFIX)/share/bash-completion/completions
CONFDIR    ?= /etc/wemmick
# Where systemd looks: /usr's own places, or /etc for a local PREFIX.
ifneq ($(filter /usr,$(PREFIX)),)
UNITDIR    ?= /lib/systemd/system
SYSUSERS   ?= /usr/lib/sysusers.d
TMPFILES   ?= /usr/lib/tmpfiles.d
SYSCTL     ?= /usr/lib/sysctl.d
else
UNITDIR    ?= /etc/systemd/system
SYSUSERS   ?= /etc/sysusers.d
TMPFILES   ?= /etc/tmpfiles.d
SYSCTL     ?= /etc/sysctl.d
endif

ADMIN_PROGRAMS := $(filter wemmick sendmail,$(PROGRAMS))
INSTALL        ?= install
substitute     := sed -e 's|@SBINDIR@|$(SBINDIR)|g' \
                  -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' \
                  -e 's|@CONFDIR@|$(CONFDIR)|g'

install: all install-conf install-units install-man
	$(INSTALL) -d $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(SBINDIR)
	$(INSTALL) -m 755 $(addprefix $(BUILD)/bin/,$(filter-out \
	    $(ADMIN_PROGRAMS),$(PROGRAMS))) $(DESTDIR)$(LIBEXECDIR)
	$(INSTALL) -m 755 $(addprefix $(BUILD)/bin/,$(ADMIN_PROGRAMS)) \
	    $(DESTDIR)$(SBINDIR)
	$(INSTALL) -d $(DESTDIR)$(COMPLETE)
	$(INSTALL) -m 644 etc/completions/wemmick.bash $(DESTDIR)$(COMPLETE)/wemmick

# An administrator's wemmick.conf is never overwritten.
install-conf:
	$(INSTALL) -d $(DESTDIR)$(CONFDIR)/tables $(DESTDIR)$(DOCDIR)
	$(INSTALL) -m 644 etc/wemmick.conf $(DESTDIR)$(DOCDIR)/wemmick.conf.example
	$(INSTALL) -m 644 README.md INSTALL LICENSE docs/*.md $(DESTDIR)$(DOCDIR)
	test -e $(DESTDIR)$(CONFDIR)/wemmick.conf || \
	    $(INSTALL) -m 644 etc/wemmick.conf $(DESTDIR)$(CONFDIR)/wemmick.conf

install-units:
	$(INSTALL) -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERS) \
	    $(DESTDIR)$(TMPFILES) $(DESTDIR)$(SYSCTL)
	$(substitute) etc/systemd/wemmick.service.in \
	    > $(DESTDIR)$(UNITDIR)/wemmick.service
	$(INSTALL) -m 644 etc/sysusers.d/wemmick.conf $(DESTDIR)$(SYSUSERS)
	$(INSTALL) -m 644 etc/tmpfiles.d/wemmick.conf $(DESTDIR)$(TMPFILES)
	$(INSTALL) -m 644 etc/sysctl.d/60-wemmick.conf $(DESTDIR)$(SYSCTL)

MAN8 := $(wildcard docs/man/*.8)
install-man: $(BUILD)/man/wemmick.conf.5
	$(INSTALL) -d $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(MANDIR)/man5
	$(if $(MAN8),$(INSTALL) -m 644 $(MAN8) $(DESTDIR)$(MANDIR)/man8)
	$(INSTALL) -m 644 $< $(DESTDIR)$(MANDIR)/man5

# The table of keys is made from the list that the daemons read.
$(BUILD)/man/wemmick.conf.5: docs/man/wemmick.conf.5.in common/config/keys.h \
    docs/man/keys
	@mkdir -p $(@D)
	$(Q)docs/man/keys common/config/keys.h docs/man/wemmick.conf.5.in > $@.new
	$(Q)mv $@.new $@

man: $(BUILD)/man/wemmick.conf.5

.PHONY: install install-conf install-units install-man man
