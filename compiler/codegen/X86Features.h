// compiler/codegen/X86Features.h — which feature an x86-64 instruction belongs to, by its encoding.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace quern {

/// The feature of one instruction: that of its prefix (sse2, sse4.2, avx2, avx512f: each stands for its level), or a later one of its own.
/// LLVM's assembler takes every x86 instruction for every CPU, so this is read from the bytes. Source: the opcode maps of Intel's manual.
std::string_view x86FeatureOf(std::span<const uint8_t> instruction);

}  // namespace quern
