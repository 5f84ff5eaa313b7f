#include "caches.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SHIFT = 6 };

struct cache {
  uint32_t sets;
  uint32_t ways;
  uint64_t* lines; /* of each set, the line used last first; line + 1, since 0 is none */
};

static struct cache caches[CACHE_LEVELS] = {
    {64 * 1024 / 64 / 4, 4, NULL},
    {512 * 1024 / 64 / 8, 8, NULL},
    {2048 * 1024 / 64 / 16, 16, NULL},
};

int caches_init(void) {
  for (int level = 0; level < CACHE_LEVELS; ++level) {
    struct cache* cache = &caches[level];
    cache->lines = calloc((size_t)cache->sets * cache->ways, sizeof *cache->lines);
    if (cache->lines == NULL) return -1;
  }
  return 0;
}

/* Whether the line was there; it is now, as the one used last. */
static bool hit(struct cache* cache, uint64_t line) {
  uint64_t* set = cache->lines + (line & (cache->sets - 1)) * cache->ways;
  const uint64_t wanted = line + 1;
  if (set[0] == wanted) return true;
  uint32_t at = 1;
  while (at < cache->ways && set[at] != wanted) ++at;
  const bool found = at < cache->ways;
  memmove(set + 1, set, (found ? at : cache->ways - 1) * sizeof *set);
  set[0] = wanted;
  return found;
}

void caches_access(uint64_t address, uint32_t bytes, uint64_t misses[CACHE_LEVELS]) {
  const uint64_t last = (address + bytes - 1) >> LINE_SHIFT;
  for (uint64_t line = address >> LINE_SHIFT; line <= last; ++line) {
    for (int level = 0; level < CACHE_LEVELS; ++level) {
      if (hit(&caches[level], line)) break;
      ++misses[level];
    }
  }
}
