# Fuzzers: one program for each tests/fuzz/fuzz_*.c. With clang's libFuzzer in
# build-fuzz: `make fuzz` runs each for FUZZ_SECONDS; what it learns stays in
# build-fuzz/corpus, a finding in build-fuzz/crash-*. In the ordinary build
# they replay their seeds with changes, as a part of `make check` (replay.c).

FUZZ_SECONDS ?= 10
FUZZ_SRCS    := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS      := $(patsubst tests/fuzz/%.c,%,$(FUZZ_SRCS))
FUZZ_CFLAGS  := -O1 -g -fsanitize=address,undefined,fuzzer-no-link \
                -fno-sanitize-recover=all -fno-omit-frame-pointer -DWM_SAN=1

ifeq ($(FUZZ_ENGINE),libfuzzer)
FUZZ_MAIN :=
FUZZ_LINK := -pie -fsanitize=address,undefined,fuzzer
else
FUZZ_MAIN := $(call obj,tests/fuzz/replay.c)
FUZZ_LINK  = $(LINK) $(LDFLAGS)
endif

# Sessions that block have their client in the same process (peer.h).
$(BUILD)/fuzz/fuzz_pop3_session $(BUILD)/fuzz/fuzz_imap_session: FUZZ_WRAP := \
    -Wl,--wrap=poll,--wrap=recv,--wrap=send,--wrap=__poll_chk,--wrap=__recv_chk

# Damage behind a checksum is found, too, where every checksum fits.
$(BUILD)/fuzz/fuzz_store $(BUILD)/fuzz/fuzz_spool_dir: FUZZ_WRAP := \
    -Wl,--wrap=crc32c

# The houses of the unit tests assert by cmocka.
$(BUILD)/fuzz/fuzz_smtp_session $(BUILD)/fuzz/fuzz_spool_dir \
  $(BUILD)/fuzz/fuzz_relay_session: \
    FUZZ_LIBS := -lcmocka

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(FUZZ_MAIN) \
    $(MODULES:%=$(BUILD)/lib/lib%.a) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(FUZZ_LINK) $(FUZZ_WRAP) $(filter %.o,$^) \
	    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
	    -Wl,--as-needed $(LIBS_ALL) $(FUZZ_LIBS) -o $@

fuzz-objects: $(FUZZERS:%=$(BUILD)/fuzz/%)

# What `make check` runs of them.
replay-programs: fuzz-objects

fuzz-programs:
	$(Q)$(MAKE) -s CC=clang BUILD=build-fuzz CFLAGS='$(FUZZ_CFLAGS)' \
	    HARDEN='-fno-common -fPIE' FUZZ_ENGINE=libfuzzer fuzz-objects

fuzz: fuzz-programs
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

.PHONY: fuzz fuzz-programs fuzz-objects replay-programs
