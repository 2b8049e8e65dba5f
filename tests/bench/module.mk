# The load generators; `make bench` measures, see tests/bench/run.

BENCH_LOADS  := imapload pop3load
BENCH_SHARED := $(call obj,tests/bench/load.c tests/bench/net.c \
                  tests/bench/script.c)

$(BENCH_LOADS:%=$(BUILD)/bench/%): $(BUILD)/bench/%: \
    $(BUILD)/obj/tests/bench/%.o $(BENCH_SHARED) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $(LDFLAGS) $^ -lssl -lcrypto -o $@

# A queue's spool full of deferred mails.
$(BUILD)/bench/spoolfill: $(BUILD)/obj/tests/bench/spoolfill.o \
    $(BUILD)/lib/libqueue.a $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK) $(LDFLAGS) $^ $(queue_LIBS) -o $@

bench-loads: $(BENCH_LOADS:%=$(BUILD)/bench/%) $(BUILD)/bench/spoolfill

bench: all bench-loads
	$(Q)PYTHONDONTWRITEBYTECODE=1 WM_BUILD=$(BUILD) tests/bench/run $(ARGS)

.PHONY: bench bench-loads
