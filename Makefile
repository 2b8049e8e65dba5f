# Wemmick: one make for the whole tree. Every folder adds its programs in
# module.mk; everything else is found by its place. See docs/building.md.

CC      ?= cc
CFLAGS  ?= -O2 -g
SAN     ?= 0
ifeq ($(SAN),1)
BUILD   ?= build-san
else
BUILD   ?= build
endif
VERSION := 0.1

DAEMONS := master smtpd queue router resolver relay deliver bounce auth \
           imapd pop3d
MODULES := $(DAEMONS) store cli
LAYERS  := base address mime smtp table event tls ipc config daemon login

STD     := -std=c17 -D_GNU_SOURCE -DWM_VERSION='"$(VERSION)"' -I.
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual \
           -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wswitch-enum \
           -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
ifneq ($(findstring gcc,$(shell $(CC) --version 2>/dev/null | head -1))$(findstring Debian,$(shell $(CC) --version 2>/dev/null | head -1)),)
ifeq ($(findstring clang,$(shell $(CC) --version 2>/dev/null | head -1)),)
WARN    += -Wlogical-op -Wduplicated-cond -Walloca
endif
endif
ifneq ($(WERROR),)
WARN    += -Werror
endif

ifeq ($(SAN),1)
CFLAGS  := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
           -fno-omit-frame-pointer -DWM_SAN=1
HARDEN  := -fno-common -fPIE
LINK    := -pie -fsanitize=address,undefined -Wl,--as-needed
else
HARDEN  := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
           -fstack-clash-protection -fno-common -fPIE
LINK    := -pie -Wl,-z,relro,-z,now,--as-needed
endif

# A session is a fork of its usher: what the usher maps is copied for each,
# and every shared library is some mappings, dirty pages and page tables more.
# STATIC=0 links the ushers like all others (docs/decisions/007).
STATIC  ?= 1
USHER_LINK := $(LINK)
ifeq ($(STATIC)$(SAN),10)
USHER_LINK := -static-pie -Wl,-z,relro,-z,now,--no-warnings
endif
# What an usher works with is not for its children (common/base/apart.h).
ifneq ($(SAN),1)
USHER_LINK += $(foreach f,malloc calloc realloc reallocarray free,-Wl,--wrap=$(f))
endif
DEPS     = -MMD -MP

PROGRAMS :=
include $(wildcard $(MODULES:%=%/module.mk))

ifeq ($(V),)
Q := @
say = @printf '  %-4s %s\n' $(1) $(2)
else
say = @:
endif

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# A program is its main file and what it needs from the archives; every
# source that is not named main*.c goes into its folder's archive, so that
# unit tests can link it.
COMMON_SRCS := $(foreach l,$(LAYERS),$(wildcard common/$(l)/*.c))
COMMON_LIB  := $(BUILD)/lib/libcommon.a
STORE_LIB   := $(BUILD)/lib/libstore.a
lib_srcs     = $(filter-out $(1)/main%.c,$(wildcard $(1)/*.c))

# The sanitizers' own crypt_r() hides that libcrypt is needed.
LIBS_ALL := -Wl,--no-as-needed -lcrypt -Wl,--as-needed \
            -levent_core -lssl -lcrypto -lconfuse -lseccomp -lcap -lacl \
            -ldb-5.3 -lunbound -lidn2 -lz -lpcre2-8 -licui18n \
            -licuuc -lsystemd -lpthread

all: $(PROGRAMS:%=$(BUILD)/bin/%)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(STD) $(WARN) $(HARDEN) $(DEPS) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(COMMON_LIB): $(call obj,$(COMMON_SRCS))
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define archive
$(BUILD)/lib/lib$(1).a: $(call obj,$(call lib_srcs,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call archive,$(m))))

# The folders whose programs know the mailbox format.
WITH_STORE := deliver imapd pop3d cli

# $(1) program name; $(1)_MAIN its main file, $(1)_LIBS its libraries,
# $(1)_LINK how it is linked
define program
$(BUILD)/bin/$(1): $(call obj,$($(1)_MAIN)) \
    $(BUILD)/lib/lib$(firstword $(subst /, ,$($(1)_MAIN))).a \
    $(if $(filter $(WITH_STORE),$(firstword $(subst /, ,$($(1)_MAIN)))),$(STORE_LIB)) \
    $(COMMON_LIB)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(or $$($(1)_LINK),$$(LINK)) $$(LDFLAGS) $$^ $$($(1)_LIBS) -o $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# Unit tests: tests/unit/FOLDER/test_x.c is a program of its own, linked with
# the archive of its folder and the libraries, and with no other daemon's.
UNIT_SRCS  := $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRCS))
define unit_test
$(BUILD)/unit/$(1): $(BUILD)/obj/tests/unit/$(1).o \
    $(patsubst %,$(BUILD)/lib/lib%.a,$(filter $(DAEMONS) cli,$(firstword $(subst /, ,$(1))))) \
    $(STORE_LIB) $(COMMON_LIB)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LINK) $$(LDFLAGS) $$^ $$(LIBS_ALL) -lcmocka -o $$@
endef
$(foreach t,$(UNIT_TESTS:$(BUILD)/unit/%=%),$(eval $(call unit_test,$(t))))

# These have tests/unit/unsent.h.
UNSENT := bounce/test_report queue/test_expand smtpd/test_submit
$(UNSENT:%=$(BUILD)/unit/%): LDFLAGS += -Wl,--wrap=ipc_send_scratch

# It lets the trace field find no memory.
$(BUILD)/unit/smtpd/test_data: LDFLAGS += -Wl,--wrap=trace_received

# It counts how often a mail is looked at whole.
$(BUILD)/unit/queue/test_crowd: LDFLAGS += -Wl,--wrap=note_results

# These have tests/unit/nomem.h.
NOMEM := imapd/test_list store/test_recover
$(NOMEM:%=$(BUILD)/unit/%): \
    LDFLAGS += $(foreach f,malloc calloc realloc,-Wl,--wrap=$(f))

unit-programs: $(UNIT_TESTS)

HEADERS := $(foreach l,$(LAYERS),$(wildcard common/$(l)/*.h)) \
           $(foreach m,$(MODULES),$(wildcard $(m)/*.h))
check-headers: $(HEADERS:%=$(BUILD)/obj/%.ok)
$(BUILD)/obj/%.h.ok: %.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) -Wno-pedantic -Wno-unused-function -fsyntax-only -x c -include $< /dev/null && touch $@

clean:
	rm -rf build build-san build-fuzz

.PHONY: all unit-programs check-headers clean
-include $(wildcard tests/module.mk tests/faults/module.mk tests/fuzz/module.mk tests/bench/module.mk \
    tests/attack/module.mk etc/module.mk)
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:
