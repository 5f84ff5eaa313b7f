/* A plugin of qemu-aarch64 that counts what a program executes between its marks: instructions by
   class, bytes loaded and stored, and misses of caches.

     qemu-aarch64 -plugin count.so,out=FILE[,caches=on] PROGRAM ...

   A mark is a system call clock_gettime of a clock that doesn't exist (../src/marks.hpp). FILE is
   written when the program ends:

     asymm-count 1 caches=on
     KIND insn fma vector load store branch integer load_bytes store_bytes l1 l2 l3
     ...
     end

   with what was counted since the start, for each mark of that kind; without caches the last three
   are 0. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "a64.h"
#include "caches.h"
#include "qemu_plugin.h"

#define EXPORTED __attribute__((visibility("default")))

enum { CLOCK_GETTIME = 113, MARK_CLOCK = 0x6d61726b };
enum { LOADED = A64_CLASSES, STORED, COUNTERS };

struct counts {
  uint64_t of[COUNTERS];
  uint64_t misses[CACHE_LEVELS];
};

struct marked {
  uint64_t kind;
  struct counts counts;
};

static struct counts now;
static struct marked* marks;
static size_t mark_count;
static size_t mark_room;
static char* out_path;
static bool with_caches;
static bool broken;

EXPORTED int qemu_plugin_version = 1;

static void accessed(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void* unused) {
  (void)vcpu;
  (void)unused;
  caches_access(address, 1U << qemu_plugin_mem_size_shift(info), now.misses);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  uint64_t added[COUNTERS] = {0};
  const size_t count = qemu_plugin_tb_n_insns(tb);
  for (size_t at = 0; at < count; ++at) {
    struct qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, at);
    uint32_t bits = 0;
    memcpy(&bits, qemu_plugin_insn_data(insn), sizeof bits);
    const struct a64_insn decoded = a64_decode(bits);
    ++added[decoded.class];
    if (decoded.class == A64_LOAD) added[LOADED] += decoded.bytes;
    if (decoded.class == A64_STORE) added[STORED] += decoded.bytes;
    if (with_caches) {
      qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                       NULL);
    }
  }
  for (int each = 0; each < COUNTERS; ++each) {
    if (added[each] > 0) {
      qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &now.of[each],
                                               added[each]);
    }
  }
}

static void called(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t a1, uint64_t a2,
                   uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)vcpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number != CLOCK_GETTIME || a1 != MARK_CLOCK || broken) return;
  if (mark_count == mark_room) {
    mark_room = mark_room > 0 ? 2 * mark_room : 1024;
    struct marked* more = realloc(marks, mark_room * sizeof *marks);
    if (more == NULL) {
      broken = true;
      return;
    }
    marks = more;
  }
  marks[mark_count].kind = a2;
  marks[mark_count].counts = now;
  ++mark_count;
}

static void ended(qemu_plugin_id_t id, void* unused) {
  (void)id;
  (void)unused;
  FILE* out = broken ? NULL : fopen(out_path, "w");
  if (out == NULL) {
    qemu_plugin_outs("count: can't write the counts\n");
    return;
  }
  fprintf(out, "asymm-count 1 caches=%s\n", with_caches ? "on" : "off");
  for (size_t at = 0; at < mark_count; ++at) {
    const struct counts* counts = &marks[at].counts;
    uint64_t insn = 0;
    for (int each = 0; each < A64_CLASSES; ++each) insn += counts->of[each];
    fprintf(out, "%" PRIu64 " %" PRIu64, marks[at].kind, insn);
    for (int each = 0; each < COUNTERS; ++each) fprintf(out, " %" PRIu64, counts->of[each]);
    for (int level = 0; level < CACHE_LEVELS; ++level) {
      fprintf(out, " %" PRIu64, counts->misses[level]);
    }
    fputc('\n', out);
  }
  /* A file that was cut short has no end. */
  fputs("end\n", out);
  fclose(out);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int argc,
                                 char** argv) {
  if (strcmp(info->target_name, "aarch64") != 0 || info->system_emulation) return -1;
  for (int at = 0; at < argc; ++at) {
    if (strncmp(argv[at], "out=", 4) == 0) {
      out_path = strdup(argv[at] + 4);
    } else if (strcmp(argv[at], "caches=on") == 0) {
      with_caches = true;
    } else if (strcmp(argv[at], "caches=off") != 0) {
      return -1;
    }
  }
  if (out_path == NULL || (with_caches && caches_init() != 0)) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
