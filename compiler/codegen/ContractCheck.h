// compiler/codegen/ContractCheck.h — that an object's instructions are those of its contract.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/target/Contract.h"

#include <string_view>

namespace quern {

/// Takes the object's code apart and puts one instruction of each kind together again for a CPU that has what the contract says and no more.
/// Errors   Internal: the first that such a CPU does not have, or bytes that are no instruction.
/// Cost     a millisecond: a kernel has some dozens of kinds.
Result<void> checkContract(std::string_view object, const Contract& contract);

}  // namespace quern
