/* Three levels of data caches, without prefetching: least recently used, write-allocate, a line of
   64 bytes. Sizes of a Cortex-A76 of the Snapdragon 855's prime core: 64 KiB of 4 ways, 512 KiB of
   8 ways, and 2 MiB of 16 ways that it shares with the other cores. */
#pragma once

#include <stdint.h>

enum { CACHE_LEVELS = 3 };

/* Returns 0, or -1 without memory. */
int caches_init(void);

/* One access. Adds to `misses` for each level that had not the line. */
void caches_access(uint64_t address, uint32_t bytes, uint64_t misses[CACHE_LEVELS]);
