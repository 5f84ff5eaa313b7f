#include "a64.h"

#include <stdbool.h>

#define FIELD(bits, low, width) (((bits) >> (low)) & ((1U << (width)) - 1))

struct pattern {
  uint32_t mask;
  uint32_t value;
};

static bool any(uint32_t bits, const struct pattern* patterns, int count) {
  for (int at = 0; at < count; ++at) {
    if ((bits & patterns[at].mask) == patterns[at].value) return true;
  }
  return false;
}

#define ANY(bits, patterns) any(bits, patterns, (int)(sizeof(patterns) / sizeof(*(patterns))))

static const struct pattern branches[] = {
    {0x7C000000, 0x14000000}, /* B, BL */
    {0x7E000000, 0x34000000}, /* CBZ, CBNZ */
    {0x7E000000, 0x36000000}, /* TBZ, TBNZ */
    {0xFE000000, 0x54000000}, /* B.cond */
    {0xFE000000, 0xD6000000}, /* BR, BLR, RET */
};

static const struct pattern multiply_adds[] = {
    {0x5F000000, 0x1F000000}, /* FMADD, FMSUB, FNMADD, FNMSUB */
    {0xBF20FC00, 0x0E20CC00}, /* FMLA, FMLS: vectors of float32 and float64 */
    {0xBF60FC00, 0x0E400C00}, /* FMLA, FMLS: vectors of float16 */
    {0x9F80B400, 0x0F801000}, /* FMLA, FMLS by element, vectors of float32 and float64 */
    {0x9FC0B400, 0x0F001000}, /* FMLA, FMLS by element, vectors of float16 */
    {0xDF80B400, 0x5F801000}, /* the same, scalar */
    {0xDFC0B400, 0x5F001000},
    {0x9F20FC00, 0x0E209400}, /* MLA, MLS */
    {0xBF00B400, 0x2F000000}, /* MLA, MLS by element */
    {0x9F20DC00, 0x0E208000}, /* SMLAL, UMLAL, SMLSL, UMLSL: bit 13 is which */
    {0x9F00B400, 0x0F002000}, /* the same by element */
    {0x9F20FC00, 0x0E009400}, /* SDOT, UDOT */
    {0x9F00F400, 0x0F00E000}, /* the same by element */
    {0xBF20FC00, 0x0E20EC00}, /* FMLAL, FMLSL */
    {0xBF20FC00, 0x2E20CC00}, /* FMLAL2, FMLSL2 */
    {0xBFC0B400, 0x0F800000}, /* the same by element */
    {0xBFC0B400, 0x2F808000},
    {0xBF20DC00, 0x0E209000}, /* SQDMLAL, SQDMLSL */
    {0xFF20DC00, 0x5E209000}, /* the same, scalar */
    {0xBF00B400, 0x0F003000}, /* the same by element */
    {0xFF00B400, 0x5F003000},
    {0xBF20F400, 0x2E008400}, /* SQRDMLAH, SQRDMLSH */
    {0xFF20F400, 0x7E008400}, /* the same, scalar */
    {0xBF00D400, 0x2F00D000}, /* the same by element */
    {0xFF00D400, 0x7F00D000},
    {0xBF20E400, 0x2E00C400}, /* FCMLA */
    {0xBF009400, 0x2F001000}, /* the same by element */
    {0xBFE0FC00, 0x0E809C00}, /* USDOT */
    {0xBF00F400, 0x0F00F000}, /* SUDOT, USDOT, BFDOT, BFMLALB, BFMLALT by element */
    {0xDFE0F400, 0x4E80A400}, /* SMMLA, UMMLA, USMMLA */
    {0xBF60FC00, 0x2E40FC00}, /* BFDOT, BFMLALB, BFMLALT */
    {0xFFE0FC00, 0x6E40EC00}, /* BFMMLA */
};

static bool is_dc_zva(uint32_t bits) { return (bits & 0xFFFFFFE0) == 0xD50B7420; }

/* The bytes of a register of a load or store whose size is in bits 31:30, with bit 26 for vector
   registers and then bit 23 for those of 16 bytes. */
static uint32_t register_bytes(uint32_t bits) {
  const bool vector = FIELD(bits, 26, 1);
  if (vector && FIELD(bits, 23, 1)) return 16;
  return 1U << FIELD(bits, 30, 2);
}

static struct a64_insn accessing(bool load, uint32_t bytes) {
  return (struct a64_insn){load ? A64_LOAD : A64_STORE, bytes};
}

/* LD1 to LD4 and ST1 to ST4. */
static struct a64_insn structures(uint32_t bits) {
  const bool load = FIELD(bits, 22, 1);
  const uint32_t wide = FIELD(bits, 30, 1) ? 16 : 8;
  const uint32_t opcode = FIELD(bits, 12, 4);
  if (!FIELD(bits, 24, 1)) { /* whole registers */
    uint32_t registers = 1;
    switch (opcode) {
      case 0x0:
      case 0x2: registers = 4; break;
      case 0x4:
      case 0x6: registers = 3; break;
      case 0x8:
      case 0xA: registers = 2; break;
      default: registers = 1;
    }
    return accessing(load, registers * wide);
  }
  /* One element of each register, or one that is copied to all lanes. */
  const uint32_t elements = 1 + ((FIELD(bits, 13, 1) << 1) | FIELD(bits, 21, 1));
  const uint32_t scale = FIELD(bits, 14, 2);
  uint32_t size = 1U << scale;
  if (scale == 3) {
    size = 1U << FIELD(bits, 10, 2);
  } else if (scale == 2) {
    size = FIELD(bits, 10, 1) ? 8 : 4;
  }
  return accessing(load, elements * size);
}

static struct a64_insn load_or_store(uint32_t bits) {
  const bool vector = FIELD(bits, 26, 1);
  const uint32_t kind = FIELD(bits, 28, 2);
  if (kind == 0 && vector) return structures(bits);
  if (kind == 0) { /* exclusive and ordered; with bit 21 of a pair, or a compare and swap */
    const uint32_t bytes = 1U << FIELD(bits, 30, 2);
    const bool load = FIELD(bits, 22, 1);
    if (!FIELD(bits, 21, 1)) return accessing(load, bytes);
    if (FIELD(bits, 23, 1)) return accessing(true, bytes);             /* CAS */
    if (!FIELD(bits, 31, 1)) return accessing(true, 2 * (4 * bytes)); /* CASP */
    return accessing(load, 2 * bytes);
  }
  if (kind == 1) { /* literal; with bit 24 the ordered ones of ARMv8.4 */
    if (FIELD(bits, 24, 1)) return accessing(FIELD(bits, 22, 2) != 0, 1U << FIELD(bits, 30, 2));
    const uint32_t size = FIELD(bits, 30, 2);
    if (!vector && size == 3) return accessing(true, 0); /* a prefetch */
    if (!vector) return accessing(true, size == 1 ? 8 : 4);
    return accessing(true, 4U << size);
  }
  if (kind == 2) { /* pairs */
    const uint32_t size = FIELD(bits, 30, 2);
    const uint32_t bytes = vector ? 4U << size : size == 2 ? 8 : 4;
    return accessing(FIELD(bits, 22, 1), 2 * bytes);
  }
  /* One register: bits 23:22 are the operation. */
  const uint32_t operation = FIELD(bits, 22, 2);
  if (!FIELD(bits, 24, 1) && FIELD(bits, 21, 1) && FIELD(bits, 10, 2) != 2) {
    return accessing(true, 1U << FIELD(bits, 30, 2)); /* atomics, LDRAA, LDRAB */
  }
  if (!vector && FIELD(bits, 30, 2) == 3 && operation == 2) return accessing(true, 0); /* PRFM */
  const bool load = vector ? FIELD(bits, 22, 1) : operation != 0;
  return accessing(load, register_bytes(bits));
}

struct a64_insn a64_decode(uint32_t bits) {
  if ((bits & 0x0A000000) == 0x08000000) return load_or_store(bits);
  if ((bits & 0x0E000000) == 0x0E000000) {
    return (struct a64_insn){ANY(bits, multiply_adds) ? A64_FMA : A64_VECTOR, 0};
  }
  if ((bits & 0x1C000000) == 0x14000000) {
    if (is_dc_zva(bits)) return accessing(false, 64);
    return (struct a64_insn){ANY(bits, branches) ? A64_BRANCH : A64_INTEGER, 0};
  }
  if ((bits & 0x1E000000) == 0x04000000) return (struct a64_insn){A64_VECTOR, 0}; /* SVE */
  return (struct a64_insn){A64_INTEGER, 0};
}
