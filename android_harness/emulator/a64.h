/* What an A64 instruction is, from its 32 bits ("Arm Architecture Reference Manual for A-profile",
   section C4.1, "A64 instruction set encoding"). */
#pragma once

#include <stdint.h>

enum a64_class { A64_FMA, A64_VECTOR, A64_LOAD, A64_STORE, A64_BRANCH, A64_INTEGER, A64_CLASSES };

struct a64_insn {
  enum a64_class class;
  uint32_t bytes; /* that it loads or stores; 0 for the other classes */
};

/* FMA is every multiplication with an addition on vector and floating-point registers, of floats
   and of integers (dot products too). Prefetches and atomics are loads, whatever atomics store; DC ZVA
   stores a line of 64 bytes. Known are all instructions of a Cortex-A76. Of later ones, SVE's are
   vector, their loads and stores too. */
struct a64_insn a64_decode(uint32_t bits);
